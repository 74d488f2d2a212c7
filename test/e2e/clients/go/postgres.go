package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"
)

// words is the login as libpq's connection string, which both drivers take.
func words(to login) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	text := fmt.Sprintf("host='%s' port=%d user='%s' password='%s' dbname='%s' sslmode=verify-full sslrootcert='%s'",
		quote.Replace(to.Host), to.Port, quote.Replace(to.User), quote.Replace(to.Password),
		quote.Replace(to.Database), quote.Replace(to.CA))
	if to.Direct {
		text += " sslnegotiation=direct"
	}
	return text
}

func askPgx(to login) (told answer, err error) {
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, words(to))
	if err != nil {
		return told, err
	}
	defer connection.Close(ctx)
	if err = connection.QueryRow(ctx, "SELECT current_database()").Scan(&told.Database); err != nil {
		return told, err
	}
	if err = connection.QueryRow(ctx, "SELECT $1::int * 2", 21).Scan(&told.Doubled); err != nil {
		return told, err
	}
	rows, err := connection.Query(ctx, "SELECT i FROM generate_series(1, 5000) AS i")
	if err != nil {
		return told, err
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int])
	for _, i := range numbers {
		told.Sum += i
	}
	return told, err
}

func codeOfPgx(err error) any {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return nil
}

func askLibPq(to login) (answer, error) {
	return askSQL("postgres", words(to), "SELECT current_database()", "SELECT $1::int * 2",
		"SELECT i FROM generate_series(1, 5000) AS i")
}

func codeOfLibPq(err error) any {
	var said *pq.Error
	if errors.As(err, &said) {
		return said.Code
	}
	return nil
}

// askSQL holds the conversation by database/sql, over one connection.
func askSQL(driver, source, database, doubled, many string) (told answer, err error) {
	pool, err := sql.Open(driver, source)
	if err != nil {
		return told, err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	if err = pool.QueryRow(database).Scan(&told.Database); err != nil {
		return told, err
	}
	if err = pool.QueryRow(doubled, 21).Scan(&told.Doubled); err != nil {
		return told, err
	}
	rows, err := pool.Query(many)
	if err != nil {
		return told, err
	}
	defer rows.Close()
	for rows.Next() {
		var i int
		if err = rows.Scan(&i); err != nil {
			return told, err
		}
		told.Sum += i
	}
	return told, rows.Err()
}
