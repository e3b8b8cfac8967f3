# Statements that the parser must know, one a line, for the fixpoint of parse and print and for comparison with a
# server. A line "[mysql]" or "[mariadb]" says that the statements below it are of that family only; "[both]" ends that.
[both]
select 1
SELECT 1+1, 'a', "b", NULL, TRUE, FALSE, 1.5, .5, 1e10, 1.5E-3, 0x41, X'4142', b'0101', 0b11, N'nat', \N
select 'it''s', 'a\'b', 'a\\', "say ""hi""", 'line\nbreak', '%\_'
select 'a' 'b' 'c', _utf8mb4'abc', _latin1 X'41', _binary 'x'
select -1, - -1, -(-1), +1, ~1, !1, not 1, not not 1, - 1 + 2
select a from t
select a, b c, d as e, f 'g', h as "i" from t
select * from t
select t.*, db1.t.* from t, db1.t
select *, a from t
select distinct a from t
select all a from t
select distinctrow a, b from t
select sql_no_cache a from t
select sql_calc_found_rows a from t limit 1
select straight_join high_priority sql_small_result a from t, u
select sql_big_result sql_buffer_result a from t group by a
select a from dual
select 1 from dual where 1
select `a`, `select`, `we``ird`, `t`.`b` from `t`
select a.b, c.d.e from a, c.d
select `t`.`select`.`from` from `t`.`select`
select count(*), count(a), count(distinct a), count(distinct a, b), sum(distinct a), avg(all a) from t
select min(a), max(b), std(a), stddev_pop(b), variance(a), bit_and(a), bit_or(b), bit_xor(c) from t
select group_concat(a), group_concat(distinct a order by b desc, c separator ';'), group_concat(a, b separator '') from t
select a + b * c - d / e % f, a div b, a mod b, mod(a, b) from t
select a | b & c ^ d << e >> f from t
select (a + b) * c, a * (b + c), (a - b) - c, a - (b - c) from t
select a = b, a <=> b, a != b, a <> b, a < b, a <= b, a > b, a >= b from t
select a = b = c, (a = b) = c, a = (b = c) from t
select a and b or c and d, a or b and c, (a or b) and c, not a and b, not (a and b), a xor b, a xor b or c from t
select a && b, a || b from t
select a is null, a is not null, a is true, a is not false, a is unknown, a is not unknown from t
select not a is null, not a = b, (not a) = b from t
select a in (1, 2, 3), a not in (1), (a, b) in ((1, 2), (3, 4)), row(a, b) = row(1, 2) from t
select a in (select b from u), a not in (select b from u where u.c = t.c) from t
select a between 1 and 2, a not between b and c, a between b and c and d from t
select a between 1 and 2 and b between 3 and 4 or c from t
select a like 'x%', a not like 'y', a like 'z|%' escape '|', a not like b escape '' from t
select a regexp '^x', a not regexp 'y', a rlike 'z' from t
select a sounds like b from t
select a collate utf8mb4_bin, 'x' collate utf8mb4_general_ci = 'X' from t
select binary a, binary 'a' = 'A' from t
select case when a then b end, case a when 1 then 2 when 3 then 4 else 5 end from t
select case when a = 1 then 'one' when a = 2 then 'two' else case b when 1 then 'x' end end as name from t
select cast(a as char), cast(a as char(10)), cast(a as binary(5)), cast(a as signed), cast(a as unsigned integer) from t
select cast(a as decimal), cast(a as decimal(10,2)), cast(a as date), cast(a as datetime(6)), cast(a as time) from t
select cast(a as char character set utf8mb4), cast(a as char(3) charset latin1) from t
select convert(a, signed), convert(a using utf8mb4), convert('x', char(5)) from t
select char(65, 66), char(65 using utf8mb4) from t
select extract(day from d), extract(year_month from d), extract(microsecond from '2020-01-01 00:00:00.5') from t
select trim(a), trim(both 'x' from a), trim(leading from a), trim(trailing 'y' from a), trim('z' from a) from t
select substring(a, 1), substring(a, 1, 2), substring(a from 1), substring(a from 1 for 2), substr(a, 2), mid(a, 1, 2) from t
select position('a' in b), locate('a', b), left(a, 1), right(a, 2), repeat('x', 3), replace(a, 'b', 'c'), insert(a, 1, 2, 'x') from t
select if(a, b, c), ifnull(a, b), nullif(a, b), coalesce(a, b, c), interval(a, 1, 2), greatest(a, b), least(a, b) from t
select d + interval 1 day, d - interval '1:1' minute_second, interval 1 hour + d, d + interval a + 1 month from t
select date_add(d, interval 1 year), date_sub(d, interval -1 second), adddate(d, 1), adddate(d, interval 1 week), subdate(d, interval 1 quarter) from t
select d + interval 1 day - interval 2 hour, (d + interval 1 day) > now() from t
select timestampadd(minute, 1, d), timestampdiff(sql_tsi_day, d, e), get_format(date, 'EUR') from t
select now(), now(6), curdate(), curtime(), current_date, current_date(), current_time, current_timestamp, current_timestamp(3), localtime, localtimestamp(), utc_date, utc_time(), utc_timestamp(2), sysdate()
select date '2020-01-01', time '10:00:00', timestamp '2020-01-01 10:00:00', {d '2020-01-01'}, {t '10:00:00'}, {ts '2020-01-01 10:00:00'}, {fn concat('a', 'b')}
select database(), schema(), user(), current_user, current_user(), session_user(), system_user(), version(), connection_id(), last_insert_id(), last_insert_id(5), row_count(), found_rows()
select @a, @`b c`, @'d', @a.b, @a := 1, @b := @a + 1, (@c := 2) + 1 from t
select @@autocommit, @@global.sort_buffer_size, @@session.sql_mode, @@local.time_zone, @@version
select @@global.key_buffer_size, @@default.key_buffer_size
select exists (select 1 from u), not exists (select 1 from u where u.a = t.a) from t
select (select max(b) from u), (select 1) + (select 2) from t
select ((select 1)), (((select 1 from t limit 1)))
select (select 1 union select 2 limit 1)
select a = any (select b from u), a > all (select b from u), a <> some (select b from u) from t
select a from t where a = 1
select a from t where a = 1 and b = 2 or c = 3
select a from t where (a, b) = (1, 2)
select a from t where (a = 1 or b = 2) and (c = 3 or d = 4)
select a from t where a = ? and b in (?, ?) limit ?
select a from t group by a
select a, count(*) from t group by a having count(*) > 1 order by 2 desc, a
select a, b from t group by a, b with rollup
select a from t group by a desc
select a from t order by a, b desc, c asc, rand()
select a from t limit 10
select a from t limit 5, 10
select a from t limit 10 offset 5
select a from t for update
select a from t lock in share mode
select a from t where a = 1 order by b limit 1 for update
select a from t1, t2 where t1.id = t2.id
select a from t1 join t2 on t1.id = t2.id
select a from t1 inner join t2 using (id, x)
select a from t1 cross join t2
select a from t1 straight_join t2 on t1.a = t2.a
select a from t1 left join t2 on t1.id = t2.id
select a from t1 left outer join t2 using (id)
select a from t1 right join t2 on t1.id = t2.id right outer join t3 on t3.id = t2.id
select a from t1 natural join t2
select a from t1 natural left join t2 natural right outer join t3
select a from t1 join t2 on t1.a = t2.a join t3 on t2.b = t3.b left join t4 on t3.c = t4.c
select a from t1 join t2 join t3
select a from t1 join t2 left join t3 on t3.a = t1.a
select a from t1 join t2 join t3 on t2.a = t3.a on t1.a = t2.a
select a from t1 left join (t2 join t3 on t2.a = t3.a) on t1.a = t2.a
select a from (t1 join t2 on t1.a = t2.a) left join t3 on t3.a = t2.a
select a from t1 left join (t2, t3) on t1.a = t2.a and t1.b = t3.b
select a from (t1, t2), t3
select a from t1, t2 join t3 on t2.a = t3.a, t4
select a from ((t1 join t2))
select a from (((t1)))
select * from t as x, u y, db2.v as z
select * from t use index (i1), u ignore index for join (i2, i3), v force index (primary) where 1
select * from t use index () use key for order by (b) where a = 1
select * from t partition (p0, p1) as x
select * from (select a from t) as d
select * from (select a from t) d, (select b from u) e
select * from (select a from t where b = 1 order by c limit 3) d join u on d.a = u.a
select * from (select 1 union all select 2) d
select * from ((select 1) union (select 2)) d
select * from ((select 1)) d
select 1 union select 2
select 1 union all select 2 union distinct select 3
(select 1) union (select 2)
(select a from t order by a limit 1) union all (select b from u order by b limit 2) order by 1 limit 3
(select a from t) limit 1
(select a from t limit 2) limit 1
((select a from t limit 2) limit 1)
(select a from t)
((select a from t))
select a from t union select b from u order by a
select a from t union (select b from u limit 1)
(select 1 union select 2) union all select 3
select 1 union (select 2 union all select 3)
select 1 except select 2
select 1 intersect select 2
select 1 union select 2 intersect select 3
select 1 except select 2 union all select 3
(select 1 union select 2) intersect select 3
with c as (select 1 as a) select * from c
with c (x, y) as (select 1, 2), d as (select x from c) select * from c join d on c.x = d.x
with recursive n as (select 1 as i union all select i + 1 from n where i < 10) select * from n
select * from (with c as (select 1) select * from c) d
select a from t where a in (with c as (select 1 as x) select x from c)
with c as (select 1) select * from c union select 2 order by 1
select row_number() over (order by a), rank() over (partition by b order by c desc), dense_rank() over (order by a) from t
select lag(a) over (order by b), lead(a, 2) over (order by b), first_value(a) over (order by b), last_value(a) over (order by b), ntile(4) over (order by a), nth_value(a, 2) over (order by b), cume_dist() over (order by a), percent_rank() over (order by a) from t
select sum(a) over (), sum(a) over (partition by b), count(*) over (order by c rows between 1 preceding and current row) from t
select sum(a) over (order by b rows unbounded preceding), sum(a) over (order by b range between unbounded preceding and unbounded following) from t
select sum(a) over (order by b rows between current row and 2 following), avg(a) over (order by b rows 3 preceding) from t
select sum(a) over w, avg(b) over w from t window w as (partition by c order by d)
select a into @x from t limit 1
select a, b from t limit 1 into @x, @y
select a from t into outfile '/tmp/f' fields terminated by ',' optionally enclosed by '"' lines terminated by '\n'
select a into dumpfile '/tmp/f' from t limit 1
select a from t where match (a, b) against ('x')
select match (a) against ('x y' in boolean mode), match (a, b) against ('z' in natural language mode), match (a) against ('z' with query expansion) from t
select match (a) against ('z' in natural language mode with query expansion) from t
select json_extract(a, '$.b'), json_object('a', 1), json_array(1, 2), json_arrayagg(a), json_objectagg(a, b) from t
select f(), db1.f(1, 2), `f`(1)
select weight_string(a as char(3)), weight_string(a) from t
select date(d), time(d), year(d), month(d), day(d), hour(d), timestamp(d), week(d, 1), quarter(d), second(d), microsecond(d) from t
select date, time, year, timestamp, status, type, name, value, count, sum, position, role, comment, action from t
select t.select, t.from, t.group from t
select a as date, b as count, c as status, d time from t
select begin, end, start, commit, offset1, level, session, user, password, account from t
select key_column as `key`, `order` from t
select max(a) /* comment */ from t -- trailing
select /* c1 */ a /* c2 */ from /* c3 */ t # end
select /*! a */ from t
select /*!40000 sql_no_cache */ a from t
select /*!99999 nothing */ a from t
select /*+ no_index_merge(t) */ a from t
insert into t values (1)
insert into t values (1, 'a', NULL, DEFAULT, now(), 1 + 1, -1)
insert into t values (1, 2), (3, 4), (5, 6)
insert into t values (1, 2), (3, 4 + 1), (5, 6), (7, 8)
insert into t values ()
insert into t () values (), ()
insert into t (a, b) values (1, 2)
insert t (a) value (1)
insert into db1.t (t.a, b) values (1, default(b))
insert low_priority ignore into t (a) values (?), (?), (?)
insert delayed into t (a) values (1)
insert high_priority into t (a) values (1)
insert into t set a = 1, b = default, c = (select max(x) from u)
insert into t select * from u
insert into t (a, b) select a, b from u where c = 1 order by d limit 5
insert into t (a) (select a from u)
insert into t (a) select a from u union select b from v
insert into t (a) with c as (select 1 as x) select x from c
insert into t (a, b) values (1, 2) on duplicate key update b = values(b), c = c + 1
insert into t (a, b) values (1, 2), (3, 4) on duplicate key update b = values(b) + values(a)
insert into t (a) select a from u on duplicate key update b = u.c
insert into t (a) select t1.a from t1 join t2 on t1.a = t2.a on duplicate key update b = 1
insert into t partition (p0) (a) values (1)
replace into t values (1, 2)
replace into t (a, b) values (1, 2), (3, 4)
replace t set a = 1
replace low_priority into t select * from u
replace into t (a, b) select a, b from u
update t set a = 1
update t set a = a + 1, b = default where c = 2
update low_priority ignore t set a = 1 where b = 2 order by c limit 3
update t as x set x.a = 1 where x.b = 2
update t, u set t.a = u.b where t.id = u.id
update t join u on t.id = u.id set t.a = u.b, u.c = 5 where t.d > 1
update t left join u using (id) set a = null
update db1.t set a = (select max(b) from u where u.c = t.c)
update t partition (p1) set a = 1
update t set a = case when b then 1 else 2 end, j = json_set(j, '$.a', 1) where c in (1, 2)
delete from t
delete from t where a = 1
delete from db1.t where a = 1 and b in (select c from u)
delete low_priority quick ignore from t where a = 1 order by b limit 10
delete t from t join u on t.id = u.id where u.a = 1
delete t, u from t inner join u on t.id = u.id
delete t.*, db1.u.* from t, db1.u where t.a = u.a
delete from t using t join u on t.id = u.id where u.a = 1
delete from t, u using t, u where t.a = u.a
delete a from t as a where a.b = 1
delete from t partition (p0) where a = 1
begin
begin work
start transaction
start transaction read only
start transaction with consistent snapshot
start transaction with consistent snapshot, read write
commit
commit work
commit and chain
commit and no chain release
commit release
rollback
rollback work
rollback and chain
rollback no release
rollback to s1
rollback work to savepoint s1
savepoint s1
release savepoint s1
xa start 'x'
xa end 'x'
xa prepare 'x'
xa commit 'x' one phase
xa recover
set autocommit = 0
set autocommit = on
set @a = 1
set @a = 1, @b = @a + 1, @c := 'x'
set @@autocommit = 1, @@session.sql_mode = 'ansi_quotes'
set session transaction_isolation = 'read-committed', global max_connections = 10
set global sort_buffer_size = 1000000, join_buffer_size = 2000000
set local time_zone = '+00:00'
set sql_mode = default, session wait_timeout = 5
set sql_mode = concat(@@sql_mode, ',strict_trans_tables')
set @@global.hot.key_buffer_size = 100000
set names utf8mb4
set names 'utf8mb4' collate utf8mb4_general_ci
set names default
set character set utf8mb4
set names utf8mb4, autocommit = 1
set transaction isolation level read committed
set session transaction isolation level repeatable read, read only
set global transaction read write
set password = 'x'
set role none
set character_set_results = null, sql_safe_updates = 1
set charset utf8
set @a = (select max(a) from t), @b = case when 1 then 2 end
show databases
show databases like 'a%'
show tables
show full tables from db1 like 'x%'
show tables in db1 where tables_in_db1 = 'a'
show table status from db1
show columns from t
show full columns from t from db1 like 'a%'
show fields in db1.t
show index from t
show keys from t in db1 where key_name = 'primary'
show create table t
show create table db1.t
show create database db1
show create database if not exists db1
show create view v
show create procedure p
show create function f
show create trigger tr
show create event e
show variables
show global variables like 'max%'
show session status where variable_name = 'x'
show status like 'Com_select'
show warnings
show warnings limit 5
show count(*) warnings
show errors
show processlist
show full processlist
show engines
show plugins
show privileges
show collation like 'utf8%'
show character set
show triggers from db1
show events
show function status
show procedure status like 'p%'
show grants
show grants for current_user
show master status
show binary logs
show engine innodb status
show open tables from db1
show profiles
use db1
use `weird db`
describe t
desc db1.t a
explain t 'a%'
explain select a from t
explain extended select a from t
explain partitions select a from t
explain format = json select a from t
explain update t set a = 1
explain insert into t values (1, 2), (3, 4)
explain (select 1) union (select 2)
explain route select a from t where id = 5
explain route update t set a = 1 where id = 5
explain route show tables
call p
call p()
call db1.p(1, @a, 'x', (select 1), f(2, 3))
do 1, sleep(0), @a := 5
handler t open
handler t read first
handler t close
prepare s from 'select ?'
prepare s from @a
execute s
execute s using @a, @b
deallocate prepare s
drop prepare s
lock tables t read
lock tables t write, u as x read local, db1.v low_priority write
unlock tables
load data infile '/tmp/x' into table t
load data local infile 'x' replace into table db1.t character set utf8mb4 fields terminated by ',' enclosed by '"' lines terminated by '\n' ignore 1 lines (a, b, @c) set d = @c + 1, e = now()
load data low_priority local infile 'x' ignore into table t partition (p0) (a)
load xml infile 'x' into table t rows identified by '<r>'
kill 5
kill query 5
kill connection 5
flush tables
flush tables t, db1.u with read lock
flush privileges
flush no_write_to_binlog status
reset query cache
analyze table t, u
check table t quick
checksum table t
optimize table t
repair local table t
create table t (a int primary key, b varchar(10) default 'x' not null, key (b)) engine = innodb
create table if not exists db1.t (a int)
create temporary table t (a int)
create table t like u
create table t (like db1.u)
create table t as select a from u
create table t (a int, key (a)) ignore select a from u
create table t (a int, foreign key (a) references u (x), constraint c foreign key (b) references db1.v (y) on delete cascade)
create table t (a int) partition by hash (a) partitions 4
create or replace view v as select a from t
create algorithm = merge definer = root@localhost sql security definer view db1.v (x, y) as select a, b from t with check option
create index i on t (a, b desc)
create unique index i using btree on db1.t (a(10))
create fulltext index i on t (a)
create database db1
create schema if not exists db1 character set utf8mb4
create procedure p() begin select 1; select 2; end
create definer = current_user procedure db1.p(in a int, out b int) select a into b
create function f(a int) returns int deterministic return a + 1
create trigger tr before insert on t for each row set new.a = 1
create trigger db1.tr after update on db1.t for each row begin insert into u values (new.a); end
create event e on schedule every 1 day do delete from t
create user u@localhost identified by 'x'
create role r
create server s foreign data wrapper mysql options (user 'x')
alter table t add column c int, drop column d
alter table db1.t rename to u, add index (a)
alter table t rename column a to b
alter table t add constraint foreign key (a) references u (b)
alter database db1 character set utf8mb4
alter database character set utf8mb4
alter view v as select 1
alter event e rename to e2
alter procedure p comment 'x'
alter user u@localhost identified by 'y'
drop table t
drop table if exists t, db1.u cascade
drop temporary table t
drop view if exists v, w
drop index i on t
drop database db1
drop schema if exists db1
drop procedure if exists p
drop function db1.f
drop trigger if exists tr
drop event e
drop user u@localhost
drop role r
rename table a to b, db1.c to db2.d
rename user a@b to c@d
truncate t
truncate table db1.t
grant all on *.* to u@localhost
grant select (a), insert on db1.* to u
revoke all on *.* from u
get diagnostics @a = number
get diagnostics condition 1 @s = returned_sqlstate, @m = message_text
signal sqlstate '45000' set message_text = 'x'
[mysql]
select a->'$.b', a->>'$.c' from t where t.a->'$.b' = 1
select a member of (b), 1 member of ('[1]') from t
select * from t, lateral (select * from u where u.a = t.a) d
select * from t left join lateral (select 1) as d on true
select a from t for share
select a from t for update nowait
select a from t, u for update of t skip locked for share of u nowait
select a from t lock in share mode
select sum(a) over (order by b groups between 1 preceding and 1 following exclude ties) from t
select sum(a) over (order by b range between interval 1 day preceding and current row) from t
select sum(a) over (w rows 1 preceding) from t window w as (order by a), x as (w)
select nth_value(a, 2) from first respect nulls over (order by b) from t
select lag(a) ignore nulls over (order by b) from t
select cast(a as unsigned array), cast(a as json), cast(a as year), cast(a as double), cast(a as float(20)) from t
values row(1, 2), row(3, 4)
values row(1, 2), row(3, 4) order by column_0 desc limit 1
table t
table db1.t order by a limit 5
select * from (values row(1, 2), row(3, 4)) as d (a, b)
select * from (select 1, 2) as d (x, y)
insert into t values row(1, 2), row(3, 4)
insert into t table u
insert into t (a, b) values (1, 2) as new on duplicate key update b = new.b
insert into t (a, b) values (1, 2), (3, 4) as new(m, n) on duplicate key update b = n
insert into t set a = 1 as new on duplicate key update b = new.a
with c as (select 1 as a) update t, c set t.b = c.a
with c as (select 1 as a) delete from t where a in (select a from c)
select grouping(a), a from t group by a with rollup
select * from json_table('[1,2]', '$[*]' columns (a int path '$')) as j
select a, recursive1, over1 from t where `rank` = 1
set persist max_connections = 10, persist_only sort_buffer_size = 100
set @@persist.max_connections = 20
explain analyze select 1
explain for connection 5
explain format = tree select 1
reset master
lock instance for backup
unlock instance
create table t (select 1 as a)
alter instance rotate innodb master key
select 1 as except1, offset from t limit 1 offset 2
select count(*) as returning from t
[mariadb]
insert into t (a) values (1) returning a, b as c
insert into t (a) values (1), (2), (3) returning *
replace into t (a) values (1) returning a
delete from t where a = 1 returning a, b
delete from t order by a limit 1 returning *
select * from t for system_time as of timestamp '2020-01-01 00:00:00'
select * from t for system_time all as x where x.a = 1
select * from t for system_time between '2020-01-01' and now() as x
select * from t for system_time from '2020-01-01' to '2021-01-01'
update t for portion of p from '2020-01-01' to '2021-01-01' set a = 1
delete from t for portion of p from '2020-01-01' to '2021-01-01'
select next value for s, previous value for db1.s, nextval(s), lastval(s), setval(s, 5)
select a from t for update wait 5
select a from t for update nowait
select a from t lock in share mode skip locked
select a from t order by a offset 5 rows fetch first 3 rows only
select a from t order by a fetch next 1 row with ties
select percentile_cont(0.5) within group (order by a) over (partition by b) from t
select median(a) over (partition by b) from t
values (1, 2), (3, 4)
select * from (values (1, 2), (3, 4)) d
with c as (values (1), (2)) select * from c
insert into t (a, b) values (1, 2) on duplicate key update b = value(b)
with recursive c as (select 1 as a union all select a + 1 from c) cycle a restrict select * from c
select group_concat(a order by b limit 2) from t
select column_create('a', 1 as int), column_get(a, 'b' as char(10)) from t
set statement max_statement_time = 5 for select 1
set statement max_statement_time = 5, sort_buffer_size = 100000 for insert into t values (1)
execute immediate 'select 1'
execute immediate 'select ?' using 1
execute immediate concat('select ', '1')
analyze select a from t
analyze format = json select a from t
lock tables t write wait 5
kill hard query id 5
kill user u
create sequence s start with 1
drop sequence s
create or replace table t (a int)
create table t (a int) with system versioning
create package body p as end
begin not atomic select 1; select 2; end
begin not atomic declare a int default 1; set a = 2; end
if 1 then select 1; end if
alter table if exists t add column if not exists a int
drop table t wait 5
show create sequence s
select /*M!100100 1 + */ 1
select /*!100100 1 + */ 1
select /*!50701 1 + */ 1
select a, window, rank, lead1, of, row, system from t
