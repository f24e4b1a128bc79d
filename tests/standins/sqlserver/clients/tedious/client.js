// The cases of the client table through tedious: one JSON line a case.
// usage: client.js PORT CERTIFICATE TYPES_FILE [CASE...]
'use strict';

const fs = require('fs');
const { Connection, Request, TYPES } = require('tedious');

const [port, certificateFile, typesFile, ...chosen] = process.argv.slice(2);
const ROWS = ['high', 'low', 'empty', 'null'];

function connect(more = {}, password = 'Secret-1') {
  return new Promise((resolve, reject) => {
    const connection = new Connection({
      server: 'localhost',
      authentication: { type: 'default', options: { userName: 'sa', password } },
      options: {
        port: Number(port), database: 'clients', encrypt: false, trustServerCertificate: true,
        requestTimeout: 60000, connectTimeout: 20000, ...more,
      },
    });
    connection.on('errorMessage', ({ number }) => { connection.lastError = number; });
    connection.connect((error) => {
      if (!error) return resolve(connection);
      error.number = connection.lastError;
      return reject(error);
    });
  });
}

async function using(connection, action) {
  try {
    return await action(connection);
  } finally {
    await new Promise((resolve) => { connection.on('end', resolve); connection.close(); });
  }
}

// Rows of plain values. `start` tells tedious how to send the request.
function ask(connection, sql, parameters = [], start = (request) => connection.execSql(request)) {
  return new Promise((resolve, reject) => {
    const rows = [];
    const request = new Request(sql, (error) => (error ? reject(error) : resolve(rows)));
    for (const [name, type, value, options] of parameters) request.addParameter(name, type, value, options);
    request.on('row', (columns) => rows.push(columns.map((column) => column.value)));
    start(request);
  });
}

const batch = (connection, sql) => ask(connection, sql, [], (request) => connection.execSqlBatch(request));
const first = async (connection, sql) => String((await ask(connection, sql))[0][0]);
const list = async (connection, sql) => (await ask(connection, sql)).map((row) => row[0]).join(',');

function call(connection, method, ...rest) {
  return new Promise((resolve, reject) => {
    connection[method]((error) => (error ? reject(error) : resolve()), ...rest);
  });
}

const types = fs.readFileSync(typesFile, 'utf8').split('\n').filter((line) => line !== '')
  .map((line) => line.split('\t'))
  .map(([key, declaration, kind, ...texts]) => ({ key, declaration, kind, texts: [...texts, null] }));

const numbersOf = (declaration) => (declaration.match(/\d+/g) || []).map(Number);
const baseOf = (type) => type.declaration.replace(/\(.*/, '');

// tedious' type of a column and the type's options. What it cannot send as such goes as nvarchar.
function parameterType(type) {
  const base = baseOf(type);
  const numbers = type.declaration.includes('(') ? numbersOf(type.declaration.slice(base.length)) : [];
  const names = {
    bit: 'Bit', tinyint: 'TinyInt', smallint: 'SmallInt', int: 'Int', bigint: 'BigInt', real: 'Real',
    float: 'Float', decimal: 'Decimal', numeric: 'Numeric', money: 'Money', smallmoney: 'SmallMoney',
    date: 'Date', time: 'Time', datetime: 'DateTime', smalldatetime: 'SmallDateTime',
    datetime2: 'DateTime2', datetimeoffset: 'DateTimeOffset', char: 'Char', varchar: 'VarChar',
    text: 'Text', nchar: 'NChar', nvarchar: 'NVarChar', binary: 'Binary', varbinary: 'VarBinary',
    image: 'Image', uniqueidentifier: 'UniqueIdentifier',
  };
  if (base === 'decimal' || base === 'numeric') {
    return [TYPES[names[base]], { precision: numbers[0], scale: numbers[1] }];
  }
  if (type.kind === 'time') return [TYPES[names[base]], numbers.length > 0 ? { scale: numbers[0] } : {}];
  if (numbers.length > 0) return [TYPES[names[base]], { length: numbers[0] }];
  if (names[base]) return [TYPES[names[base]], type.declaration.endsWith('(max)') ? { length: Infinity } : {}];
  return [TYPES.NVarChar, { length: base === 'sql_variant' ? 50 : Infinity }];
}

// Dates have milliseconds; what is finer goes beside them, in seconds.
function dateOf(type, text) {
  const offset = baseOf(type) === 'datetimeoffset' ? text.slice(-6) : 'Z';
  const local = baseOf(type) === 'datetimeoffset' ? text.slice(0, -7) : text;
  const [, head, fraction] = local.match(/^([^.]*)\.?(\d*)$/);
  const ticks = fraction.padEnd(7, '0');
  const day = type.key.startsWith('time') ? `1970-01-01T${head}` : head.replace(' ', 'T');
  const iso = day.includes('T') ? `${day}.${ticks.slice(0, 3)}` : `${day}T00:00:00.000`;
  const date = new Date(iso + offset);
  date.nanosecondDelta = Number(ticks.slice(3)) / 1e7;
  return date;
}

function valueOf(type, text) {
  if (text === null) return null;
  switch (type.kind) {
    case 'integer': return type.key === 'bit' ? text === '1' : type.key === 'bigint' ? BigInt(text) : Number(text);
    case 'single': case 'double': case 'decimal': return Number(text);
    case 'bytes': return Buffer.from(text, 'hex');
    case 'time': return dateOf(type, text);
    default: return text;
  }
}

function textOf(type, value) {
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) return value.toString('hex').toUpperCase();
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (!(value instanceof Date)) return String(value);
  const [day, time] = value.toISOString().replace('Z', '').split('T');
  if (type.key === 'date') return day;
  const finer = String(Math.round((value.nanosecondsDelta || 0) * 1e7)).padStart(4, '0');
  if (type.key.startsWith('time')) return time + finer;
  return `${day} ${time}${finer}${type.key.startsWith('datetimeoffset') ? ' +00:00' : ''}`;
}

function connecting(options) {
  return async () => using(await connect(options), async (connection) => ({
    database: await first(connection, 'SELECT DB_NAME()'),
    encrypt_option: await first(connection,
      'SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID'),
    long: String((await first(connection, 'SELECT c_varchar_max FROM dbo.typed_values WHERE id = 1')).length),
  }));
}

async function readTable(connection, table) {
  const names = types.map((type) => `c_${type.key}`).join(', ');
  const rows = await ask(connection, `SELECT ${names} FROM dbo.${table} ORDER BY id`);
  const values = {};
  ROWS.forEach((row, y) => types.forEach((type, x) => { values[`${type.key}.${row}`] = textOf(type, rows[y][x]); }));
  return values;
}

// A type's failure is that type's value: the others still have their say.
async function eachType(action) {
  const values = {};
  for (const type of types) {
    for (const [index, row] of ROWS.entries()) {
      try {
        const got = await action(type, valueOf(type, type.texts[index]), index);
        if (got !== undefined) values[`${type.key}.${row}`] = got;
      } catch (error) {
        values[`${type.key}.${row}`] = `!${error}`;
      }
    }
  }
  return values;
}

const parameters = async () => using(await connect(), (connection) => eachType(async (type, value) => {
  const [tdsType, options] = parameterType(type);
  const rows = await ask(connection, `SELECT CAST(@v AS ${type.declaration}) AS v`, [['v', tdsType, value, options]]);
  return textOf(type, rows[0][0]);
}));

// A request is prepared once for a type and executed for each row.
function preparedUpdate(connection, type) {
  return new Promise((resolve, reject) => {
    const request = new Request(`UPDATE dbo.prepared_values SET c_${type.key} = @v WHERE id = @id`,
      (error) => request.done(error));
    request.done = (error) => error && reject(error);
    request.addParameter('v', parameterType(type)[0], null, parameterType(type)[1]);
    request.addParameter('id', TYPES.Int);
    request.on('prepared', () => resolve(request));
    connection.prepare(request);
  });
}

const prepared = async () => using(await connect(), async (connection) => {
  const requests = {};
  const failures = await eachType(async (type, v, index) => {
    const request = requests[type.key] || (requests[type.key] = await preparedUpdate(connection, type));
    await new Promise((resolve, reject) => {
      request.done = (error) => (error ? reject(error) : resolve());
      connection.execute(request, { v, id: index + 1 });
    });
  });
  // A request that tedious refused to send stays refused, whatever is asked with it next.
  const refused = new Set(Object.keys(failures).map((key) => key.split('.')[0]));
  for (const [key, request] of Object.entries(requests)) {
    if (refused.has(key)) continue;
    await new Promise((resolve, reject) => {
      request.done = (error) => (error ? reject(error) : resolve());
      connection.unprepare(request);
    });
  }
  return { ...await readTable(connection, 'prepared_values'), ...failures };
});

const transactions = async () => using(await connect(), async (connection) => using(await connect(), async (other) => {
  const seen = () => list(other, 'SELECT id FROM dbo.transaction_rows ORDER BY id');
  const insert = (id) => ask(connection, `INSERT INTO dbo.transaction_rows VALUES (${id})`);
  const values = {};
  await call(connection, 'beginTransaction');
  await insert(1);
  await call(connection, 'rollbackTransaction');
  values.after_rollback = await seen();
  await call(connection, 'beginTransaction');
  await insert(1);
  await call(connection, 'commitTransaction');
  values.after_commit = await seen();
  await call(connection, 'beginTransaction');
  await insert(2);
  await call(connection, 'saveTransaction', 'before_three');
  await insert(3);
  await call(connection, 'rollbackTransaction', 'before_three');
  await call(connection, 'commitTransaction');
  values.after_savepoint = await seen();
  return values;
}));

const rows100000 = async () => using(await connect(), (connection) => new Promise((resolve, reject) => {
  let rows = 0;
  let sumId = 0;
  let sumQuarters = 0;
  let nameLength = 0;
  let nulls = 0;
  let last = '';
  const request = new Request('SELECT id, name, amount, at, note FROM dbo.big ORDER BY id', (error) => {
    if (error) reject(error);
    resolve({
      rows: String(rows), sum_id: String(sumId), sum_amount: (sumQuarters / 4).toFixed(4),
      name_length: String(nameLength), nulls: String(nulls), last,
    });
  });
  request.on('row', ([id, name, amount, at, note]) => {
    rows += 1;
    sumId += id.value;
    sumQuarters += amount.value * 4;
    nameLength += name.value.length;
    nulls += note.value === null ? 1 : 0;
    last = `${name.value}|${at.value.toISOString().replace('T', ' ').replace('Z', '')}`;
  });
  connection.execSql(request);
}));

async function afterCancel(connection, session) {
  return {
    then: await list(connection, 'SELECT 42'),
    same_connection: await first(connection, 'SELECT @@SPID') === session ? 'yes' : 'no',
  };
}

const cancel = async () => using(await connect(), async (connection) => {
  const session = await first(connection, 'SELECT @@SPID');
  let rows = 0;
  const error = await new Promise((resolve) => {
    const request = new Request('SELECT a.id, a.name FROM dbo.big a CROSS JOIN dbo.big b', resolve);
    request.on('row', () => {
      rows += 1;
      if (rows === 10) connection.cancel();
    });
    connection.execSql(request);
  });
  const cancelled = error && error.code === 'ECANCEL' && rows >= 10;
  return { rows_before: cancelled ? '10' : `${rows}, ${error}`, ...await afterCancel(connection, session) };
});

const cancelWaiting = async () => using(await connect(), async (connection) => {
  const session = await first(connection, 'SELECT @@SPID');
  const error = await new Promise((resolve) => {
    const request = new Request("WAITFOR DELAY '00:01:00'", resolve);
    request.setTimeout(1000);
    connection.execSqlBatch(request);
  });
  if (!error || error.code !== 'ETIMEOUT') throw error || new Error('it was not interrupted');
  return afterCancel(connection, session);
});

async function connections50() {
  const connections = await Promise.all(Array.from({ length: 50 }, () => connect()));
  const sessions = await Promise.all(connections.map((connection) => first(connection, 'SELECT @@SPID')));
  await Promise.all(connections.map((connection) => using(connection, async () => {})));
  return { open: String(connections.length), distinct: String(new Set(sessions).size) };
}

const errors = async () => using(await connect(), async (connection) => {
  const statements = {
    duplicate: "INSERT INTO dbo.orders VALUES (2, N'again', 0)",
    missing: 'SELECT * FROM dbo.not_there',
    syntax: 'SELECT (1',
    zero: 'SELECT 1 / (id - 2) FROM dbo.orders WHERE id = 2',
    thrown: "THROW 50123, N'thrown', 1",
  };
  const values = {};
  for (const [name, sql] of Object.entries(statements)) {
    values[name] = await batch(connection, sql).then(() => 'no error', (error) => String(error.number));
  }
  return { ...values, then: await list(connection, 'SELECT 42') };
});

const cdc = async () => using(await connect(), async (connection) => {
  const range = (await ask(connection,
    "SELECT sys.fn_cdc_get_min_lsn(N'dbo_orders'), sys.fn_cdc_get_max_lsn()"))[0];
  const help = (await ask(connection, 'sys.sp_cdc_help_change_data_capture', [],
    (request) => connection.callProcedure(request)))[0];
  const changes = await ask(connection,
    'SELECT __$operation, id, customer, amount '
      + "FROM cdc.fn_cdc_get_all_changes_dbo_orders(@low, @high, N'all update old') "
      + 'ORDER BY __$start_lsn, __$seqval, __$operation',
    [['low', TYPES.VarBinary, range[0], { length: 10 }], ['high', TYPES.VarBinary, range[1], { length: 10 }]]);
  return {
    change_tables: await list(connection, 'SELECT capture_instance FROM cdc.change_tables'),
    captured_columns: await list(connection,
      'SELECT column_name FROM cdc.captured_columns ORDER BY column_ordinal'),
    lsn_time_mapping: await list(connection,
      'SELECT COUNT(*) FROM cdc.lsn_time_mapping WHERE tran_id <> 0x00'),
    max_lsn_bytes: String(range[1].length),
    help: `${help[0]}.${help[1]} ${help[2]}`,
    changes: changes.map(([operation, id, customer, amount]) => [operation, id, customer, amount.toFixed(4)].join())
      .join(';'),
  };
});

const bulkLoad = async () => using(await connect(), async (connection) => {
  const count = await new Promise((resolve, reject) => {
    const load = connection.newBulkLoad('dbo.bulk_rows', (error, rows) => (error ? reject(error) : resolve(rows)));
    load.addColumn('id', TYPES.Int, { nullable: false });
    load.addColumn('name', TYPES.NVarChar, { length: 40, nullable: false });
    load.addColumn('amount', TYPES.Decimal, { precision: 18, scale: 4, nullable: false });
    load.addColumn('at', TYPES.DateTime2, { scale: 3, nullable: false });
    load.addColumn('note', TYPES.VarChar, { length: 60, nullable: true });
    const at = new Date('2024-01-02T03:04:05.678Z');
    connection.execBulkLoad(load, Array.from({ length: 1000 }, (_, index) => ({
      id: index + 1, name: `name ${index + 1}`, amount: (index + 1) / 4, at,
      note: (index + 1) % 10 === 0 ? null : 'note',
    })));
  });
  const row = (await ask(connection, 'SELECT COUNT(*), SUM(id), SUM(LEN(name)), SUM(amount), MAX(at), '
    + 'SUM(CASE WHEN note IS NULL THEN 1 ELSE 0 END) FROM dbo.bulk_rows'))[0];
  return {
    rows: count === row[0] ? String(count) : `${row[0]}, said ${count}`, sum_id: String(row[1]),
    name_length: String(row[2]), sum_amount: row[3].toFixed(4),
    last: row[4].toISOString().replace('T', ' ').replace('Z', ''), nulls: String(row[5]),
  };
});

const certificate = fs.readFileSync(certificateFile, 'utf8');
const trusted = { trustServerCertificate: false, cryptoCredentialsDetails: { ca: certificate } };
const cases = {
  connect_plain: connecting({}),
  connect_tls: connecting({ encrypt: true, ...trusted }),
  connect_strict: connecting({ encrypt: 'strict', ...trusted }),
  wrong_password: () => connect({}, 'not-Secret-1').then(() => ({}), (error) => ({
    number: String(error.number),
  })),
  read: async () => using(await connect(), (connection) => readTable(connection, 'typed_values')),
  parameters,
  prepared,
  transactions,
  rows_100000: rows100000,
  cancel,
  cancel_waiting: cancelWaiting,
  connections_50: connections50,
  errors,
  cdc,
  bulk_load: bulkLoad,
};

async function main() {
  for (const [name, run] of Object.entries(cases)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    const line = { case: name, values: {} };
    try {
      line.values = await run();
    } catch (error) {
      line.error = String(error && error.stack);
    }
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
}

main();
