// The cases of the client table through go-mssqldb: one JSON line a case.
// usage: client PORT CERTIFICATE TYPES_FILE [CASE...]
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

type values map[string]string

var (
	port        string
	certificate string
	types       []columnType
	background  = context.Background()
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// A pool of connections; the driver looks at the certificate even where only the login is encrypted.
func open(password, more string) *sql.DB {
	db, err := sql.Open("sqlserver", fmt.Sprintf(
		"sqlserver://sa:%s@localhost:%s?database=clients&dial+timeout=20&%s", password, port, more))
	check(err)
	return db
}

func plain() *sql.DB { return open("Secret-1", "encrypt=false&TrustServerCertificate=true") }

// One connection, and what closes it and its pool.
func connect() (*sql.Conn, func()) {
	db := plain()
	conn, err := db.Conn(background)
	check(err)
	return conn, func() {
		conn.Close()
		check(db.Close())
	}
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...interface{}) (*sql.Rows, error)
}

// Every row's columns as the driver gives them.
func ask(on querier, query string, args ...interface{}) [][]interface{} {
	rows, err := on.QueryContext(background, query, args...)
	check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	check(err)
	var all [][]interface{}
	for rows.Next() {
		row := make([]interface{}, len(columns))
		places := make([]interface{}, len(columns))
		for i := range row {
			places[i] = &row[i]
		}
		check(rows.Scan(places...))
		all = append(all, row)
	}
	check(rows.Err())
	return all
}

func list(on querier, query string) string {
	var texts []string
	for _, row := range ask(on, query) {
		texts = append(texts, textOf(columnType{}, row[0]))
	}
	return strings.Join(texts, ",")
}

func connecting(more string) func() values {
	return func() values {
		db := open("Secret-1", more)
		defer db.Close()
		return values{
			"database": list(db, "SELECT DB_NAME()"),
			"encrypt_option": list(db,
				"SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID"),
			"long": fmt.Sprint(len(list(db, "SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1"))),
		}
	}
}

func numberOf(err error) string {
	var answer mssql.Error
	if errors.As(err, &answer) {
		return fmt.Sprint(answer.Number)
	}
	return fmt.Sprint(err)
}

func wrongPassword() values {
	db := open("not-Secret-1", "encrypt=false&TrustServerCertificate=true")
	defer db.Close()
	return values{"number": numberOf(db.Ping())}
}

func readTable(on querier, table string) values {
	var names []string
	for _, t := range types {
		names = append(names, "c_"+t.key)
	}
	all := ask(on, "SELECT "+strings.Join(names, ", ")+" FROM dbo."+table+" ORDER BY id")
	result := values{}
	for y, row := range rowNames {
		for x, t := range types {
			result[t.key+"."+row] = textOf(t, all[y][x])
		}
	}
	return result
}

func read() values {
	conn, done := connect()
	defer done()
	return readTable(conn, "typed_values")
}

// One type's failure is that type's value: the others still have their say.
func eachType(action func(t columnType, row int) string) values {
	result := values{}
	for _, t := range types {
		for row, name := range rowNames {
			func() {
				key := t.key + "." + name
				defer func() {
					if failure := recover(); failure != nil {
						result[key] = fmt.Sprintf("!%v", failure)
					}
				}()
				if got := action(t, row); got != "" {
					result[key] = got[1:]
				}
			}()
		}
	}
	return result
}

func parameters() values {
	conn, done := connect()
	defer done()
	return eachType(func(t columnType, row int) string {
		got := ask(conn, "SELECT CAST(@p1 AS "+t.declaration+") AS v", parameter(t, row))
		return "=" + textOf(t, got[0][0])
	})
}

func prepared() values {
	conn, done := connect()
	defer done()
	statements := map[string]*sql.Stmt{}
	failures := eachType(func(t columnType, row int) string {
		if statements[t.key] == nil {
			statement, err := conn.PrepareContext(background, fmt.Sprintf(
				"UPDATE dbo.prepared_values SET c_%s = CAST(@p1 AS %s) WHERE id = @p2", t.key, t.declaration))
			check(err)
			statements[t.key] = statement
		}
		_, err := statements[t.key].Exec(parameter(t, row), row+1)
		check(err)
		return ""
	})
	for _, statement := range statements {
		check(statement.Close())
	}
	result := readTable(conn, "prepared_values")
	for key, text := range failures {
		result[key] = text
	}
	return result
}

func transactions() values {
	db := plain()
	defer db.Close()
	seen := func() string { return list(db, "SELECT id FROM dbo.transaction_rows ORDER BY id") }
	run := func(tx *sql.Tx, query string) {
		_, err := tx.Exec(query)
		check(err)
	}
	begin := func() *sql.Tx {
		tx, err := db.Begin()
		check(err)
		return tx
	}
	result := values{}
	tx := begin()
	run(tx, "INSERT INTO dbo.transaction_rows VALUES (1)")
	check(tx.Rollback())
	result["after_rollback"] = seen()
	tx = begin()
	run(tx, "INSERT INTO dbo.transaction_rows VALUES (1)")
	check(tx.Commit())
	result["after_commit"] = seen()
	tx = begin()
	run(tx, "INSERT INTO dbo.transaction_rows VALUES (2)")
	run(tx, "SAVE TRANSACTION before_three")
	run(tx, "INSERT INTO dbo.transaction_rows VALUES (3)")
	run(tx, "ROLLBACK TRANSACTION before_three")
	check(tx.Commit())
	result["after_savepoint"] = seen()
	return result
}

// The decimal's digits as a whole number of ten-thousandths.
func tenThousandths(text string) int64 {
	var number int64
	for _, c := range text {
		if c != '.' {
			number = number*10 + int64(c-'0')
		}
	}
	return number
}

func rows100000() values {
	conn, done := connect()
	defer done()
	rows, err := conn.QueryContext(background, "SELECT id, name, amount, at, note FROM dbo.big ORDER BY id")
	check(err)
	defer rows.Close()
	var count, sumID, sumAmount, nameLength, nulls int64
	var last string
	for rows.Next() {
		var id int64
		var name, amount string
		var at time.Time
		var note sql.NullString
		check(rows.Scan(&id, &name, &amount, &at, &note))
		count++
		sumID += id
		sumAmount += tenThousandths(amount)
		nameLength += int64(len(name))
		if !note.Valid {
			nulls++
		}
		last = name + "|" + at.Format("2006-01-02 15:04:05.000")
	}
	check(rows.Err())
	return values{
		"rows": fmt.Sprint(count), "sum_id": fmt.Sprint(sumID), "name_length": fmt.Sprint(nameLength),
		"sum_amount": fmt.Sprintf("%d.%04d", sumAmount/10_000, sumAmount%10_000),
		"nulls":      fmt.Sprint(nulls), "last": last,
	}
}

func afterCancel(on querier, session string, result values) values {
	result["then"] = list(on, "SELECT 42")
	result["same_connection"] = "no"
	if list(on, "SELECT @@SPID") == session {
		result["same_connection"] = "yes"
	}
	return result
}

// Closing rows that were not read to the end interrupts the server.
func cancel() values {
	conn, done := connect()
	defer done()
	session := list(conn, "SELECT @@SPID")
	rows, err := conn.QueryContext(background, "SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b")
	check(err)
	count := 0
	for count < 10 && rows.Next() {
		count++
	}
	check(rows.Close())
	return afterCancel(conn, session, values{"rows_before": fmt.Sprint(count)})
}

func cancelWaiting() values {
	db := plain()
	defer db.Close()
	db.SetMaxOpenConns(1)
	session := list(db, "SELECT @@SPID")
	limited, stop := context.WithTimeout(background, time.Second)
	defer stop()
	_, err := db.ExecContext(limited, "WAITFOR DELAY '00:01:00'")
	if !errors.Is(err, context.DeadlineExceeded) {
		panic(fmt.Sprintf("it was not interrupted: %v", err))
	}
	return afterCancel(db, session, values{})
}

func connections50() values {
	db := plain()
	defer db.Close()
	var open []*sql.Conn
	for i := 0; i < 50; i++ {
		conn, err := db.Conn(background)
		check(err)
		open = append(open, conn)
	}
	sessions := map[string]bool{}
	for _, conn := range open {
		sessions[list(conn, "SELECT @@SPID")] = true
	}
	for _, conn := range open {
		check(conn.Close())
	}
	return values{"open": fmt.Sprint(len(open)), "distinct": fmt.Sprint(len(sessions))}
}

func errorNumbers() values {
	conn, done := connect()
	defer done()
	result := values{}
	for name, query := range map[string]string{
		"duplicate": "INSERT INTO dbo.orders VALUES (2, N'again', 0)",
		"missing":   "SELECT * FROM dbo.not_there",
		"syntax":    "SELECT (1",
		"zero":      "SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2",
		"thrown":    "THROW 50123, N'thrown', 1",
	} {
		rows, err := conn.QueryContext(background, query)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		result[name] = numberOf(err)
	}
	result["then"] = list(conn, "SELECT 42")
	return result
}

func cdc() values {
	conn, done := connect()
	defer done()
	lsns := ask(conn, "SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders'), sys.fn_cdc_get_max_lsn()")[0]
	help := ask(conn, "sys.sp_cdc_help_change_data_capture")[0]
	var changes []string
	for _, row := range ask(conn,
		"SELECT __$operation, id, customer, amount "+
			"FROM cdc.fn_cdc_get_all_changes_dbo_orders(@p1, @p2, N'all update old') "+
			"ORDER BY __$start_lsn, __$seqval, __$operation", lsns[0], lsns[1]) {
		changes = append(changes, fmt.Sprintf("%v,%v,%v,%s", row[0], row[1], row[2], row[3]))
	}
	return values{
		"change_tables":    list(conn, "SELECT capture_instance FROM cdc.change_tables"),
		"captured_columns": list(conn, "SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal"),
		"lsn_time_mapping": list(conn, "SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00"),
		"max_lsn_bytes":    fmt.Sprint(len(lsns[1].([]byte))),
		"help":             fmt.Sprintf("%v.%v %v", help[0], help[1], help[2]),
		"changes":          strings.Join(changes, ";"),
	}
}

func bulkLoad() values {
	conn, done := connect()
	defer done()
	statement, err := conn.PrepareContext(background, mssql.CopyIn("dbo.bulk_rows", mssql.BulkOptions{},
		"id", "name", "amount", "at", "note"))
	check(err)
	at := time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	for i := 1; i <= 1000; i++ {
		var note interface{} = "note"
		if i%10 == 0 {
			note = nil
		}
		_, err := statement.Exec(i, fmt.Sprintf("name %d", i), float64(i)/4, at, note)
		check(err)
	}
	_, err = statement.Exec() // without values: sends what is left and ends
	check(err)
	check(statement.Close())
	row := ask(conn, "SELECT COUNT(*), SUM(id), SUM(LEN(name)), SUM(amount), MAX(at), "+
		"SUM(CASE WHEN note IS NULL THEN 1 ELSE 0 END) FROM dbo.bulk_rows")[0]
	return values{
		"rows": fmt.Sprint(row[0]), "sum_id": fmt.Sprint(row[1]), "name_length": fmt.Sprint(row[2]),
		"sum_amount": fmt.Sprintf("%s", row[3]), "nulls": fmt.Sprint(row[5]),
		"last": row[4].(time.Time).Format("2006-01-02 15:04:05.000"),
	}
}

// The case's line; a panic is its error.
func report(name string, run func() values) (line map[string]interface{}) {
	line = map[string]interface{}{"case": name, "values": values{}}
	defer func() {
		if failure := recover(); failure != nil {
			line["error"] = fmt.Sprint(failure)
		}
	}()
	line["values"] = run()
	return line
}

func main() {
	port, certificate = os.Args[1], os.Args[2]
	types = readTypes(os.Args[3])
	chosen := map[string]bool{}
	for _, name := range os.Args[4:] {
		chosen[name] = true
	}
	out := json.NewEncoder(os.Stdout)
	for _, one := range []struct {
		name string
		run  func() values
	}{
		{"connect_plain", connecting("encrypt=false&TrustServerCertificate=true")},
		{"connect_tls", connecting("encrypt=true&certificate=" + certificate)},
		{"connect_strict", connecting("encrypt=strict&certificate=" + certificate)},
		{"wrong_password", wrongPassword},
		{"read", read},
		{"parameters", parameters},
		{"prepared", prepared},
		{"transactions", transactions},
		{"rows_100000", rows100000},
		{"cancel", cancel},
		{"cancel_waiting", cancelWaiting},
		{"connections_50", connections50},
		{"errors", errorNumbers},
		{"cdc", cdc},
		{"bulk_load", bulkLoad},
	} {
		if len(chosen) == 0 || chosen[one.name] {
			check(out.Encode(report(one.name, one.run)))
		}
	}
}
