package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/golang-sql/civil"
	mssql "github.com/microsoft/go-mssqldb"
)

// A line of types.tsv.
type columnType struct {
	key, declaration, kind string
	texts                  []string // high, low, empty
}

var rowNames = []string{"high", "low", "empty", "null"}

func readTypes(path string) []columnType {
	data, err := os.ReadFile(path)
	check(err)
	var types []columnType
	for _, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		fields := strings.Split(line, "\t")
		types = append(types, columnType{fields[0], fields[1], fields[2], fields[3:]})
	}
	return types
}

func civilDate(text string) civil.Date {
	date, err := civil.ParseDate(text)
	check(err)
	return date
}

func civilTime(text string) civil.Time {
	at, err := civil.ParseTime(text)
	check(err)
	return at
}

func timeValue(t columnType, text string) interface{} {
	switch {
	case t.key == "date":
		return civilDate(text)
	case strings.HasPrefix(t.key, "time"):
		return civilTime(text)
	case strings.HasPrefix(t.key, "datetimeoffset"):
		at, err := time.Parse("2006-01-02 15:04:05.9999999 -07:00", text)
		check(err)
		return mssql.DateTimeOffset(at)
	}
	at := civil.DateTime{Date: civilDate(text[:10]), Time: civilTime(text[11:])}
	if t.key == "datetime" {
		return mssql.DateTime1(at.In(time.UTC))
	}
	return at
}

// What is given to the driver for row `row`; its own types where it has them. Decimals and money go
// as text: the driver has no type for them.
func parameter(t columnType, row int) interface{} {
	if row == len(t.texts) {
		if t.kind == "bytes" {
			return []byte(nil)
		}
		return nil
	}
	text := t.texts[row]
	switch t.kind {
	case "integer":
		number, err := strconv.ParseInt(text, 10, 64)
		check(err)
		if t.key == "bit" {
			return number == 1
		}
		return number
	case "single", "double":
		number, err := strconv.ParseFloat(text, 64)
		check(err)
		return number
	case "bytes":
		bytes, err := hex.DecodeString(text)
		check(err)
		return bytes
	case "guid":
		var guid mssql.UniqueIdentifier
		check(guid.Scan(text))
		return guid
	case "time":
		return timeValue(t, text)
	}
	switch t.key {
	case "varchar", "char":
		return mssql.VarChar(text)
	case "varchar_max", "text":
		return mssql.VarCharMax(text)
	case "nvarchar_max", "ntext", "xml":
		return mssql.NVarCharMax(text)
	case "nchar":
		return mssql.NChar(text)
	}
	return text
}

// A value as the driver gave it, as text.
func textOf(t columnType, value interface{}) string {
	switch v := value.(type) {
	case nil:
		return "NULL"
	case bool:
		if v {
			return "1"
		}
		return "0"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		if t.kind == "guid" {
			var guid mssql.UniqueIdentifier
			check(guid.Scan(v))
			return guid.String()
		}
		if t.kind == "bytes" {
			return strings.ToUpper(hex.EncodeToString(v))
		}
		return string(v)
	case time.Time:
		switch {
		case t.key == "date":
			return v.Format("2006-01-02")
		case strings.HasPrefix(t.key, "time"):
			return v.Format("15:04:05.9999999")
		case strings.HasPrefix(t.key, "datetimeoffset"):
			return v.Format("2006-01-02 15:04:05.9999999 -07:00")
		}
		return v.Format("2006-01-02 15:04:05.9999999")
	}
	return fmt.Sprint(value)
}
