# The same work as in the other files here, by Perl's DBD::mysql. Arguments: host port user password database.
use strict;
use warnings;
use utf8;
use DBI;

my ($host, $port, $user, $password, $db) = @ARGV;

sub same {
	my ($got, $want, $what) = @_;
	die "$what: got '" . ($got // 'undef') . "', expected '$want'\n" unless defined $got && $got eq $want;
}

for my $server_side (0, 1) {
	my $h = DBI->connect("DBI:mysql:database=$db;host=$host;port=$port;mysql_server_prepare=$server_side", $user, $password,
		{ RaiseError => 1, PrintError => 0, AutoCommit => 1, mysql_enable_utf8mb4 => 1 });
	$h->do('DELETE FROM drv');
	my $ins = $h->prepare('INSERT INTO drv (id, n, s, b, d, x) VALUES (?, ?, ?, ?, ?, ?)');
	for my $i (1 .. 30) {
		same($ins->execute($i, $i * 2, "Größe 日本 😀 $i", "blob" x 1000, '2024-02-29 12:34:56', '12345.67890'), 1, 'insert');
	}
	my $sel = $h->prepare('SELECT n, s, LENGTH(b), d, x FROM drv WHERE id = ?');
	for my $i (1 .. 30) {
		$sel->execute($i);
		my @row = $sel->fetchrow_array;
		same($row[0], $i * 2, 'n');
		same($row[1], "Größe 日本 😀 $i", 's');
		same($row[2], 4000, 'b');
		same($row[4], '12345.67890', 'x');
		die "a second row\n" if $sel->fetchrow_array;
	}
	same(scalar @{ $h->selectall_arrayref('SELECT id FROM drv') }, 30, 'all rows');
	$h->begin_work;
	same($h->do('UPDATE drv SET n = -1 WHERE id = 3'), 1, 'update');
	$h->rollback;
	same($h->selectrow_array('SELECT n FROM drv WHERE id = 3'), 6, 'rolled back');
	$h->{AutoCommit} = 0;
	$h->do('UPDATE drv SET n = -1 WHERE id = 3');
	$h->commit;
	$h->{AutoCommit} = 1;
	same($h->selectrow_array('SELECT n FROM drv WHERE id = 3'), -1, 'committed');
	eval { $h->do('INSERT INTO drv (id) VALUES (1)') };
	same($h->err, 1062, 'duplicate key');
	same($h->state, '23000', 'its state');
	die "ping\n" unless $h->ping;
	$h->disconnect;
}
print "ok\n";
