<?php
// The same work as in the other files here, by PHP's mysqli and PDO. Arguments: host port user password database.
[, $host, $port, $user, $password, $db] = $argv;

function same($got, $want, $what)
{
	if ((string)$got !== (string)$want) {
		fwrite(STDERR, "$what: got " . var_export($got, true) . ", expected " . var_export($want, true) . "\n");
		exit(1);
	}
}

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$m = new mysqli($host, $user, $password, $db, (int)$port);
$m->set_charset('utf8mb4');
$m->query('DELETE FROM drv');
$ins = $m->prepare('INSERT INTO drv (id, n, s, b, d, x) VALUES (?, ?, ?, ?, ?, ?)');
for ($i = 1; $i <= 30; $i++) {
	$n = $i * 2;
	$s = "Größe 日本 😀 $i";
	$b = null;
	$d = '2024-02-29 12:34:56';
	$x = '12345.67890';
	$ins->bind_param('iisbss', $i, $n, $s, $b, $d, $x);
	$ins->send_long_data(3, str_repeat('blob', 500));
	$ins->send_long_data(3, str_repeat('blob', 500));
	$ins->execute();
	same($ins->affected_rows, 1, 'insert');
}
$sel = $m->prepare('SELECT n, s, LENGTH(b) AS l, x FROM drv WHERE id = ?');
for ($i = 1; $i <= 30; $i++) {
	$sel->bind_param('i', $i);
	$sel->execute();
	$row = $sel->get_result()->fetch_assoc();
	same($row['n'], $i * 2, 'n');
	same($row['s'], "Größe 日本 😀 $i", 's');
	same($row['l'], 4000, 'l');
	same($row['x'], '12345.67890', 'x');
}
same($m->query('SELECT id FROM drv')->num_rows, 30, 'all rows');
$m->begin_transaction();
$m->query('UPDATE drv SET n = -1 WHERE id = 3');
$m->rollback();
same($m->query('SELECT n FROM drv WHERE id = 3')->fetch_row()[0], 6, 'rolled back');
try {
	$m->query('INSERT INTO drv (id) VALUES (1)');
	same('no error', 'an error', 'duplicate key');
} catch (mysqli_sql_exception $e) {
	same($e->getCode(), 1062, 'duplicate key');
}
$m->multi_query('SELECT 1; SELECT 2');
$seen = [];
do {
	$seen[] = $m->store_result()->fetch_row()[0];
} while ($m->next_result());
same(implode(',', $seen), '1,2', 'several results');
same($m->change_user($user, $password, $db), true, 'change user');
same($m->query('SELECT DATABASE()')->fetch_row()[0], $db, 'database');
$m->close();

foreach ([true, false] as $emulate) {
	$p = new PDO("mysql:host=$host;port=$port;dbname=$db;charset=utf8mb4", $user, $password,
		[PDO::ATTR_EMULATE_PREPARES => $emulate, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
	$p->exec('DELETE FROM drv');
	$ins = $p->prepare('INSERT INTO drv (id, n, s) VALUES (:id, :n, :s)');
	for ($i = 1; $i <= 20; $i++) {
		$ins->execute(['id' => $i, 'n' => null, 's' => "it's \\ \"$i\""]);
	}
	$sel = $p->prepare('SELECT n, s FROM drv WHERE id = ?');
	$sel->execute([7]);
	$row = $sel->fetch(PDO::FETCH_ASSOC);
	same($row['s'], "it's \\ \"7\"", 's');
	same($row['n'] === null ? 'null' : 'value', 'null', 'n');
	$sel->closeCursor();
	$p->beginTransaction();
	$p->exec('UPDATE drv SET n = 1 WHERE id = 7');
	same($p->inTransaction(), true, 'in transaction');
	$p->commit();
	same($p->query('SELECT n FROM drv WHERE id = 7')->fetchColumn(), 1, 'committed');
	same(count($p->query('SELECT id FROM drv')->fetchAll()), 20, 'all rows');
}
print "ok\n";
