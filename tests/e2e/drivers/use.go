// The same work as in the other files here, by Go's database/sql with go-sql-driver/mysql.
// Arguments: host port user password database.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

func check(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func work(dsn string) {
	db, err := sql.Open("mysql", dsn)
	check(err, "open")
	defer db.Close()
	db.SetMaxOpenConns(6)
	_, err = db.Exec("DELETE FROM drv")
	check(err, "delete")
	ins, err := db.Prepare("INSERT INTO drv (id, n, s, b, d, x) VALUES (?, ?, ?, ?, ?, ?)")
	check(err, "prepare")
	when := time.Date(2024, 2, 29, 12, 34, 56, 123456000, time.UTC)
	var wg sync.WaitGroup
	for w := 0; w < 5; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			for i := 1 + w*10; i <= 10+w*10; i++ {
				r, err := ins.Exec(i, i*2, fmt.Sprintf("Größe 日本 😀 %d", i), []byte(strings.Repeat("blob", 1000)), when, "12345.67890")
				check(err, "insert")
				n, _ := r.RowsAffected()
				if n != 1 {
					log.Fatal("rows affected: ", n)
				}
			}
		}(w)
	}
	wg.Wait()
	for i := 1; i <= 50; i++ {
		var n int
		var s, x string
		var b []byte
		var d time.Time
		check(db.QueryRow("SELECT n, s, b, d, x FROM drv WHERE id = ?", i).Scan(&n, &s, &b, &d, &x), "select")
		if n != i*2 || s != fmt.Sprintf("Größe 日本 😀 %d", i) || len(b) != 4000 || !d.Equal(when) || x != "12345.67890" {
			log.Fatal("row ", i, ": ", n, s, len(b), d, x)
		}
	}
	rows, err := db.Query("SELECT id FROM drv")
	check(err, "all rows")
	seen := 0
	for rows.Next() {
		seen++
	}
	check(rows.Err(), "rows")
	if seen != 50 {
		log.Fatal("all rows: ", seen)
	}
	tx, err := db.Begin()
	check(err, "begin")
	_, err = tx.Exec("UPDATE drv SET n = ? WHERE id = ?", -1, 3)
	check(err, "update")
	check(tx.Rollback(), "rollback")
	var n int
	check(db.QueryRow("SELECT n FROM drv WHERE id = 3").Scan(&n), "after rollback")
	if n != 6 {
		log.Fatal("not rolled back: ", n)
	}
	_, err = db.Exec("INSERT INTO drv (id) VALUES (1)")
	if e, ok := err.(*mysql.MySQLError); !ok || e.Number != 1062 {
		log.Fatal("duplicate key: ", err)
	}
}

func main() {
	a := os.Args[1:]
	base := fmt.Sprintf("%s:%s@tcp(%s:%s)/%s?parseTime=true&charset=utf8mb4", a[2], a[3], a[0], a[1], a[4])
	work(base)
	work(base + "&interpolateParams=true")
	fmt.Println("ok")
}
