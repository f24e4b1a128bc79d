//! The cases of the client table through tiberius: one JSON line a case.
//! usage: client PORT CERTIFICATE TYPES_FILE [CASE...]

mod values;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt;
use tiberius::numeric::Numeric;
use tiberius::{
    AuthMethod, Client, ColumnData, Command, Config, EncryptionLevel, IntoSql, ToSql, TokenRow,
};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use values::{hex_of, parameter, read_types, text_of, Failure, Type, Value, ROWS};

type Connection = Client<Compat<TcpStream>>;
type Values = Vec<(String, String)>;
type Answer = Result<Values, Failure>;

struct Setup {
    port: u16,
    certificate: String,
    types: Vec<Type>,
}

fn pair(key: &str, text: impl ToString) -> (String, String) {
    (key.to_string(), text.to_string())
}

impl Setup {
    async fn log_in(&self, level: EncryptionLevel, password: &str) -> Result<Connection, Failure> {
        let mut config = Config::new();
        config.host("localhost");
        config.port(self.port);
        config.database("clients");
        config.authentication(AuthMethod::sql_server("sa", password));
        config.encryption(level);
        config.trust_cert_ca(&self.certificate);
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        socket.set_nodelay(true)?;
        Ok(Client::connect(config, socket.compat_write()).await?)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        self.log_in(EncryptionLevel::Off, "Secret-1").await
    }
}

/// The columns of all rows of a query, as text.
async fn ask(
    on: &mut Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
) -> Result<Vec<Vec<String>>, Failure> {
    let rows = on.query(sql, parameters).await?.into_first_result().await?;
    rows.iter()
        .map(|row| row.cells().map(|(_, data)| text_of(data)).collect())
        .collect()
}

async fn list(on: &mut Connection, sql: &str) -> Result<String, Failure> {
    let rows = ask(on, sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| row[0].as_str())
        .collect::<Vec<_>>()
        .join(","))
}

/// Runs a batch to its end.
async fn run(on: &mut Connection, sql: &str) -> Result<(), tiberius::error::Error> {
    on.simple_query(sql).await?.into_results().await?;
    Ok(())
}

async fn connecting(setup: &Setup, level: EncryptionLevel) -> Answer {
    let mut on = setup.log_in(level, "Secret-1").await?;
    let sql = "SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID";
    let long = "SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1";
    Ok(vec![
        pair("long", list(&mut on, long).await?.len()),
        pair("database", list(&mut on, "SELECT DB_NAME()").await?),
        pair("encrypt_option", list(&mut on, sql).await?),
    ])
}

async fn wrong_password(setup: &Setup) -> Answer {
    let error = setup
        .log_in(EncryptionLevel::Off, "not-Secret-1")
        .await
        .err();
    let code = error
        .as_ref()
        .and_then(|e| e.downcast_ref::<tiberius::error::Error>()?.code());
    Ok(vec![pair(
        "number",
        code.map_or(format!("{error:?}"), |code| code.to_string()),
    )])
}

async fn read_table(on: &mut Connection, setup: &Setup, table: &str) -> Answer {
    let names: Vec<_> = setup
        .types
        .iter()
        .map(|of| format!("c_{}", of.key))
        .collect();
    let sql = format!("SELECT {} FROM dbo.{table} ORDER BY id", names.join(", "));
    let rows = ask(on, &sql, &[]).await?;
    let mut values = Values::new();
    for (name, row) in ROWS.iter().zip(rows) {
        for (of, text) in setup.types.iter().zip(row) {
            values.push((format!("{}.{name}", of.key), text));
        }
    }
    Ok(values)
}

async fn read(setup: &Setup) -> Answer {
    read_table(&mut setup.connect().await?, setup, "typed_values").await
}

async fn echo(on: &mut Connection, of: &Type, row: usize) -> Result<String, Failure> {
    let sql = format!("SELECT CAST(@P1 AS {}) AS v", of.declaration);
    Ok(ask(on, &sql, &[&Value(parameter(of, row)?)]).await?[0][0].clone())
}

/// One type's failure is that type's value: the others still have their say.
async fn parameters(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let mut values = Values::new();
    for of in &setup.types {
        for (row, name) in ROWS.iter().enumerate() {
            let got = echo(&mut on, of, row)
                .await
                .unwrap_or_else(|error| format!("!{error}"));
            values.push((format!("{}.{name}", of.key), got));
        }
    }
    Ok(values)
}

async fn prepare(on: &mut Connection, of: &Type) -> Result<i32, Failure> {
    let mut command = Command::new("sp_prepare");
    command.bind_out_param("@handle", 0i32);
    command.bind_param("@params", format!("@v {}, @id int", of.declaration));
    let sql = format!(
        "UPDATE dbo.prepared_values SET c_{} = @v WHERE id = @id",
        of.key
    );
    command.bind_param("@stmt", sql);
    let result = command.exec(on).await?.into_command_result().await?;
    Ok(result
        .try_return_value::<i32>("@handle")?
        .ok_or("sp_prepare gave no handle")?)
}

async fn execute(on: &mut Connection, handle: i32, of: &Type, row: usize) -> Result<(), Failure> {
    let mut command = Command::new("sp_execute");
    command.bind_param("", handle);
    command.bind_param("", Value(parameter(of, row)?));
    command.bind_param("", row as i32 + 1);
    command.exec(on).await?.into_command_result().await?;
    Ok(())
}

/// tiberius has no prepared statements of its own: sp_prepare and sp_execute as procedures.
async fn prepared(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let mut failures = Values::new();
    for of in &setup.types {
        let handle = prepare(&mut on, of).await?;
        for (row, name) in ROWS.iter().enumerate() {
            if let Err(error) = execute(&mut on, handle, of, row).await {
                failures.push((format!("{}.{name}", of.key), format!("!{error}")));
            }
        }
        let mut command = Command::new("sp_unprepare");
        command.bind_param("@handle", handle);
        command.exec(&mut on).await?.into_command_result().await?;
    }
    let mut values = read_table(&mut on, setup, "prepared_values").await?;
    values.append(&mut failures); // read after the values, so that they are what counts
    Ok(values)
}

async fn transactions(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let mut other = setup.connect().await?;
    let all = "SELECT id FROM dbo.transaction_rows ORDER BY id";
    let mut values = Values::new();
    on.begin_transaction().await?;
    run(&mut on, "INSERT INTO dbo.transaction_rows VALUES (1)").await?;
    on.rollback_transaction().await?;
    values.push(pair("after_rollback", list(&mut other, all).await?));
    on.begin_transaction().await?;
    run(&mut on, "INSERT INTO dbo.transaction_rows VALUES (1)").await?;
    on.commit_transaction().await?;
    values.push(pair("after_commit", list(&mut other, all).await?));
    on.begin_transaction().await?;
    run(&mut on, "INSERT INTO dbo.transaction_rows VALUES (2)").await?;
    // Not save_transaction(): tiberius 0.13 counts the name's characters where TDS counts bytes.
    run(&mut on, "SAVE TRANSACTION before_three").await?;
    run(&mut on, "INSERT INTO dbo.transaction_rows VALUES (3)").await?;
    run(&mut on, "ROLLBACK TRANSACTION before_three").await?;
    on.commit_transaction().await?;
    values.push(pair("after_savepoint", list(&mut other, all).await?));
    Ok(values)
}

async fn rows_100000(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let sql = "SELECT id, name, amount, at, note FROM dbo.big ORDER BY id";
    let mut rows = on.simple_query(sql).await?.into_row_stream();
    let (mut count, mut sum_id, mut name_length, mut nulls) = (0i64, 0i64, 0usize, 0i64);
    let mut sum_amount = 0i128;
    let mut last = String::new();
    while let Some(row) = rows.try_next().await? {
        count += 1;
        sum_id += i64::from(row.get::<i32, _>(0).unwrap_or(0));
        let name: &str = row.get(1).unwrap_or("");
        name_length += name.len();
        if let ColumnData::Numeric(Some(amount)) = row.get_column_data(2)? {
            sum_amount += amount.value();
        }
        nulls += i64::from(row.get::<&str, _>(4).is_none());
        let at: chrono::NaiveDateTime = row.get(3).unwrap_or_default();
        last = format!("{name}|{}", at.format("%Y-%m-%d %H:%M:%S%.3f"));
    }
    Ok(vec![
        pair("rows", count),
        pair("sum_id", sum_id),
        pair(
            "sum_amount",
            format!("{}.{:04}", sum_amount / 10_000, sum_amount % 10_000),
        ),
        pair("name_length", name_length),
        pair("nulls", nulls),
        pair("last", last),
    ])
}

async fn after_cancel(on: &mut Connection, session: &str) -> Answer {
    if let Err(error) = on.cancel_query().await {
        return Ok(vec![pair("then", error), pair("same_connection", "no")]);
    }
    let then = list(on, "SELECT 42").await?;
    let is_same = list(on, "SELECT @@SPID").await? == session;
    Ok(vec![
        pair("then", then),
        pair("same_connection", if is_same { "yes" } else { "no" }),
    ])
}

async fn cancel(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let session = list(&mut on, "SELECT @@SPID").await?;
    let sql = "SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b";
    let mut rows = on.simple_query(sql).await?.into_row_stream();
    let mut count = 0;
    while count < 10 && rows.try_next().await?.is_some() {
        count += 1;
    }
    drop(rows);
    let mut values = after_cancel(&mut on, &session).await?;
    values.push(pair("rows_before", count));
    Ok(values)
}

async fn cancel_waiting(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let session = list(&mut on, "SELECT @@SPID").await?;
    let waiting = run(&mut on, "WAITFOR DELAY '00:01:00'");
    if tokio::time::timeout(Duration::from_secs(1), waiting)
        .await
        .is_ok()
    {
        return Err("it was not interrupted".into());
    }
    after_cancel(&mut on, &session).await
}

async fn connections_50(setup: &Setup) -> Answer {
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(setup.connect().await?);
    }
    let mut sessions = BTreeSet::new();
    for on in &mut open {
        sessions.insert(list(on, "SELECT @@SPID").await?);
    }
    Ok(vec![
        pair("open", open.len()),
        pair("distinct", sessions.len()),
    ])
}

async fn errors(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let mut values = Values::new();
    for (name, sql) in [
        (
            "duplicate",
            "INSERT INTO dbo.orders VALUES (2, N'again', 0)",
        ),
        ("missing", "SELECT * FROM dbo.not_there"),
        ("syntax", "SELECT (1"),
        ("zero", "SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2"),
        ("thrown", "THROW 50123, N'thrown', 1"),
    ] {
        let number = match run(&mut on, sql).await {
            Ok(()) => "no error".to_string(),
            Err(error) => error
                .code()
                .map_or(error.to_string(), |code| code.to_string()),
        };
        values.push(pair(name, number));
    }
    values.push(pair("then", list(&mut on, "SELECT 42").await?));
    Ok(values)
}

async fn cdc(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let mut values = Values::new();
    for (name, sql) in [
        (
            "change_tables",
            "SELECT capture_instance FROM cdc.change_tables",
        ),
        (
            "captured_columns",
            "SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal",
        ),
        (
            "lsn_time_mapping",
            "SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00",
        ),
    ] {
        values.push(pair(name, list(&mut on, sql).await?));
    }
    let sql = "SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders'), sys.fn_cdc_get_max_lsn()";
    let range = on
        .query(sql, &[])
        .await?
        .into_row()
        .await?
        .ok_or("no row")?;
    let (low, high): (&[u8], &[u8]) = (
        range.get(0).unwrap_or_default(),
        range.get(1).unwrap_or_default(),
    );
    values.push(pair("max_lsn_bytes", hex_of(high).len() / 2));
    let help = ask(&mut on, "EXEC sys.sp_cdc_help_change_data_capture", &[]).await?;
    values.push(pair(
        "help",
        format!("{}.{} {}", help[0][0], help[0][1], help[0][2]),
    ));
    let sql = "SELECT __$operation, id, customer, amount \
               FROM cdc.fn_cdc_get_all_changes_dbo_orders(@P1, @P2, N'all update old') \
               ORDER BY __$start_lsn, __$seqval, __$operation";
    let changes = ask(&mut on, sql, &[&low, &high]).await?;
    let lines: Vec<_> = changes.iter().map(|row| row.join(",")).collect();
    values.push(pair("changes", lines.join(";")));
    Ok(values)
}

async fn bulk_load(setup: &Setup) -> Answer {
    let mut on = setup.connect().await?;
    let columns = ["id", "name", "amount", "at", "note"];
    let at = chrono::NaiveDateTime::parse_from_str("2024-01-02 03:04:05.678", "%F %T%.f")?;
    let mut load = on.bulk_insert_columns("dbo.bulk_rows", &columns).await?;
    for i in 1..=1000 {
        let mut row = TokenRow::new();
        row.push(ColumnData::I32(Some(i)));
        row.push(format!("name {i}").into_sql());
        row.push(ColumnData::Numeric(Some(Numeric::new_with_scale(
            i128::from(i) * 2500,
            4,
        ))));
        row.push(ColumnData::DateTime2(Some(values::tds_datetime2(at, 3))));
        row.push((i % 10 != 0).then(|| "note".to_string()).into_sql());
        load.send(row).await?;
    }
    load.finalize().await?;
    let sql = "SELECT COUNT(*), SUM(id), SUM(LEN(name)), SUM(amount), CONVERT(varchar(30), MAX(at), 121), \
               SUM(CASE WHEN note IS NULL THEN 1 ELSE 0 END) FROM dbo.bulk_rows";
    let row = ask(&mut on, sql, &[]).await?.remove(0);
    let keys = [
        "rows",
        "sum_id",
        "name_length",
        "sum_amount",
        "last",
        "nulls",
    ];
    Ok(keys
        .iter()
        .zip(row)
        .map(|(key, text)| pair(key, text))
        .collect())
}

fn json(text: &str) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if c < ' ' => json.push_str(&format!("\\u{:04x}", c as u32)),
            c => json.push(c),
        }
    }
    json + "\""
}

fn report(name: &str, answer: Answer) {
    let (values, error) = match answer {
        Ok(values) => (values, String::new()),
        Err(error) => (
            Values::new(),
            format!(",\"error\":{}", json(&error.to_string())),
        ),
    };
    let pairs: Vec<_> = values
        .iter()
        .map(|(k, v)| format!("{}:{}", json(k), json(v)))
        .collect();
    println!(
        "{{\"case\":{},\"values\":{{{}}}{error}}}",
        json(name),
        pairs.join(",")
    );
}

async fn run_case(name: &str, setup: &Setup) -> Answer {
    match name {
        "connect_plain" => connecting(setup, EncryptionLevel::Off).await,
        "connect_tls" => connecting(setup, EncryptionLevel::Required).await,
        "connect_strict" => connecting(setup, EncryptionLevel::Strict).await,
        "wrong_password" => wrong_password(setup).await,
        "read" => read(setup).await,
        "parameters" => parameters(setup).await,
        "prepared" => prepared(setup).await,
        "transactions" => transactions(setup).await,
        "rows_100000" => rows_100000(setup).await,
        "cancel" => cancel(setup).await,
        "cancel_waiting" => cancel_waiting(setup).await,
        "connections_50" => connections_50(setup).await,
        "errors" => errors(setup).await,
        "cdc" => cdc(setup).await,
        _ => bulk_load(setup).await,
    }
}

const CASES: [&str; 15] = [
    "connect_plain",
    "connect_tls",
    "connect_strict",
    "wrong_password",
    "read",
    "parameters",
    "prepared",
    "transactions",
    "rows_100000",
    "cancel",
    "cancel_waiting",
    "connections_50",
    "errors",
    "cdc",
    "bulk_load",
];

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let setup = Setup {
        port: arguments[1].parse()?,
        certificate: arguments[2].clone(),
        types: read_types(&arguments[3])?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for name in CASES {
        if arguments.len() == 4 || arguments[4..].iter().any(|chosen| chosen == name) {
            report(name, runtime.block_on(run_case(name, &setup)));
        }
    }
    Ok(())
}
