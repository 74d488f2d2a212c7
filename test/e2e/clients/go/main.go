// Clients written in Go, one by each driver: logins in on standard input, what they were told out on standard output;
// see conversation.ts.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

type login struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password string `json:"password"`
	Database string `json:"database"`
	CA       string `json:"ca"`
	Direct   bool   `json:"direct"`
}

type answer struct {
	Database string `json:"database"`
	Doubled  int    `json:"doubled"`
	Sum      int    `json:"sum"`
}

// refusal is what a server said instead; Code is its SQLSTATE or errno, nil where there is none.
type refusal struct {
	Code    any    `json:"code,omitempty"`
	Message string `json:"message"`
}

var drivers = map[string]struct {
	ask    func(login) (answer, error)
	codeOf func(error) any
}{
	"pgx":           {askPgx, codeOfPgx},
	"lib-pq":        {askLibPq, codeOfLibPq},
	"go-sql-driver": {askMySQL, codeOfMySQL},
}

func main() {
	driver, known := drivers[os.Args[1]]
	if !known {
		fmt.Fprintln(os.Stderr, "no driver", os.Args[1])
		os.Exit(2)
	}
	var logins []login
	if err := json.NewDecoder(os.Stdin).Decode(&logins); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	told := make([]any, 0, len(logins))
	for _, to := range logins {
		if heard, err := driver.ask(to); err != nil {
			told = append(told, refusal{driver.codeOf(err), err.Error()})
		} else {
			told = append(told, heard)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		panic(err)
	}
}
