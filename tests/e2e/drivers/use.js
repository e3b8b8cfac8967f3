// The same work as in the other files here, by node's mysql2. Arguments: host port user password database.
const assert = require('assert');
const mysql = require('mysql2/promise');

const [host, port, user, password, database] = process.argv.slice(2);

async function main() {
	const pool = mysql.createPool({ host, port: Number(port), user, password, database, connectionLimit: 5, charset: 'utf8mb4' });
	await pool.query('DELETE FROM drv');
	const work = [];
	for (let i = 1; i <= 40; i++) {
		const values = [i, i * 2, `Größe 日本 😀 ${i}`, Buffer.from('blob'.repeat(1000)), '2024-02-29 12:34:56', '12345.67890'];
		const sql = 'INSERT INTO drv (id, n, s, b, d, x) VALUES (?, ?, ?, ?, ?, ?)';
		work.push(i % 2 ? pool.execute(sql, values) : pool.query(sql, values));
	}
	for (const [r] of await Promise.all(work)) assert.strictEqual(r.affectedRows, 1);
	for (let i = 1; i <= 40; i++) {
		for (const how of ['execute', 'query']) {
			const [rows] = await pool[how]('SELECT n, s, LENGTH(b) AS l, x FROM drv WHERE id = ?', [i]);
			assert.deepStrictEqual({ ...rows[0] }, { n: i * 2, s: `Größe 日本 😀 ${i}`, l: 4000, x: '12345.67890' });
		}
	}
	const [all] = await pool.query('SELECT id FROM drv');
	assert.strictEqual(all.length, 40);
	const c = await pool.getConnection();
	await c.beginTransaction();
	await c.execute('UPDATE drv SET n = -1 WHERE id = ?', [3]);
	await c.rollback();
	const [[row]] = await c.execute('SELECT n FROM drv WHERE id = ?', [3]);
	assert.strictEqual(row.n, 6);
	await assert.rejects(c.query('INSERT INTO drv (id) VALUES (1)'), { errno: 1062, sqlState: '23000' });
	await c.changeUser({ user, password, database });
	c.release();
	await pool.end();
	console.log('ok');
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
