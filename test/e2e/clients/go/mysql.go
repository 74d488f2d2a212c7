package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"

	"github.com/go-sql-driver/mysql"
)

func askMySQL(to login) (answer, error) {
	pem, err := os.ReadFile(to.CA)
	if err != nil {
		return answer{}, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	// The driver takes the server's name from the address.
	if err := mysql.RegisterTLSConfig("test", &tls.Config{RootCAs: roots}); err != nil {
		return answer{}, err
	}
	config := mysql.NewConfig()
	config.User, config.Passwd, config.DBName = to.User, to.Password, to.Database
	config.Net, config.Addr = "tcp", net.JoinHostPort(to.Host, strconv.Itoa(to.Port))
	config.TLSConfig = "test"
	return askSQL("mysql", config.FormatDSN(), "SELECT database()", "SELECT CAST(? AS SIGNED) * 2",
		"SELECT seq FROM seq_1_to_5000")
}

func codeOfMySQL(err error) any {
	var said *mysql.MySQLError
	if errors.As(err, &said) {
		return said.Number
	}
	return nil
}
