#!/usr/bin/python3
"""Prices, indices and the market gate out of real databases, also when those go away and come back."""

import datetime
import os
import re
import sqlite3
import tempfile
import unittest

from host import Host
from postgres import PASSWORD, Postgres
from subscriber import Subscriber

KOREA = datetime.timezone(datetime.timedelta(hours=9))
TODAY = datetime.datetime.now(KOREA).date()  # rows that are much older degrade the database
LONG_AGO, BEFORE, LAST, TOMORROW = (str(TODAY + datetime.timedelta(days=days)) for days in (-9, -1, 0, 1))
SCHEMA = """
CREATE TABLE daily_prices(ticker varchar(6), date date, open_price double precision, high_price double precision,
  low_price double precision, close_price double precision, volume bigint, foreign_net_buy int, inst_net_buy int,
  PRIMARY KEY(ticker, date));
CREATE TABLE market_status(date date PRIMARY KEY, kospi double precision, kospi_change_pct double precision,
  kosdaq double precision, kosdaq_change_pct double precision, gate varchar(10), gate_score int, sector_scores json);
CREATE TABLE stocks(ticker varchar(6) PRIMARY KEY, name varchar(100), market varchar(10));
CREATE TABLE signals(id int PRIMARY KEY, ticker varchar(6), signal_type varchar(20), status varchar(10),
  score double precision, grade varchar(2), contraction_ratio double precision, pivot_high double precision,
  entry_price double precision, stop_price double precision, target_price double precision, foreign_net_5d bigint,
  inst_net_5d int, signal_date date);
INSERT INTO stocks VALUES ('005930', '삼성전자', 'KOSPI');
INSERT INTO signals VALUES
  (1, '005930', 'VCP', 'OPEN', 88.5, 'S', 0.42, 83000, 83200, 79000, 91000, 5000000000, NULL, '2026-02-05'),
  (2, '000660', 'VCP', 'CLOSED', 91, 'S', 0.3, 1, 1, 1, 1, 1, 1, '2026-02-05');
INSERT INTO daily_prices(ticker, date, close_price, volume) VALUES
  ('005930', 'BEFORE', 80000, 900), ('005930', 'LAST', 82500, 1000), ('000660', 'LAST', 239000, 50);
INSERT INTO market_status VALUES
  ('BEFORE', 1, 1, 1, 1, 'RED', 1, NULL),
  ('LAST', 2610.55, -0.47, 855.42, NULL, 'GREEN', 74, '[{"name": "은행", "ticker": "091170", "change_pct": 1.5}]');
""".replace("BEFORE", BEFORE).replace("LAST", LAST)
NEW_PRICE = f"UPDATE daily_prices SET close_price = {{}} WHERE ticker = '005930' AND date = '{LAST}'"


def config(url, **price):
    return {"broadcasters": {
        "price": {"config": {"interval": "100ms", "recover_after": "100ms", "tickers": ["005930", "000660"],
                             "sources": [{"type": "database", "url": url}, {"type": "sim"}], **price}},
        "market_gate": {"config": {"database": url, "interval": "100ms"}},
        "vcp_signal": {"config": {"database": url}}}}


class DatabaseTest(unittest.IsolatedAsyncioTestCase):
    def start(self, url, **price):
        host = self.enterContext(Host(config(url, **price)))
        host.wait_until_started("price")
        host.wait_until_started("market_gate")
        return host

    async def subscribe(self, host, *topics):
        subscriber = await Subscriber.connect(host, *topics)
        self.addAsyncCleanup(subscriber.leave)
        return subscriber

    async def serves_what_the_tables_hold(self, host):
        subscriber = await self.subscribe(host, "price:005930", "price:000660", "market:kospi", "market:kosdaq",
                                          "market-gate")
        price = await subscriber.next_of("price_update", topic="price:005930", source="database")
        self.assertEqual(price["as_of"], LAST)
        self.assertEqual(price["data"], {"price": 82500, "change": 2500, "change_rate": 3.13, "volume": 1000,
                                         "bid_price": 82500, "ask_price": 82500})
        first_day = await subscriber.next_of("price_update", topic="price:000660", source="database")
        self.assertEqual((first_day["data"]["price"], first_day["data"]["change"]), (239000, 0))
        index = await subscriber.next_of("index_update", topic="market:kospi", source="database")
        self.assertEqual(index["as_of"], LAST)
        self.assertEqual(index["data"], {"index": 2610.55, "change": -12.33, "change_rate": -0.47, "volume": None})
        self.assertEqual((await subscriber.next_of("index_update", topic="market:kosdaq", source="database"))
                         ["data"]["index"], 855.42)

    async def serves_the_gate(self, host):
        gate = await (await self.subscribe(host, "market-gate")).next_of("market_gate_update")
        self.assertEqual(gate["as_of"], LAST)
        self.assertEqual(gate["data"], {
            "status": "GREEN", "level": 74, "kospi": 2610.55, "kospi_change_pct": -0.47, "kosdaq": 855.42,
            "kosdaq_change_pct": None,
            "sectors": [{"name": "은행", "ticker": "091170", "change_pct": 1.5, "signal": "bullish"}]})

    async def says(self, host, broadcaster, state, detail):
        subscriber = await self.subscribe(host, f"status:{broadcaster}")
        status = await subscriber.next_where(
            lambda message: message.get("type") == "status" and re.search(detail, message["detail"]))
        self.assertEqual(status["state"], state)

    async def serves_the_good_rows_below_an_odd_one(self, run_sql, wrong):
        run_sql(f"INSERT INTO daily_prices(ticker, date, close_price, volume) VALUES ('005930', '{TOMORROW}', {wrong}, 7)")
        run_sql(f"INSERT INTO market_status(date, kospi, kosdaq, gate) VALUES ('{TOMORROW}', {wrong}, {wrong}, 'BLACK')")
        host = self.start(self.url())
        await self.serves_what_the_tables_hold(host)
        await self.serves_the_gate(host)
        host.wait_for_line("source database: unusable rows and fields are left out, such as 005930")
        host.wait_for_line("market_gate: market_status: ")
        return host

    async def serves_the_open_signals(self, host):
        data = (await (await self.subscribe(host, "signal:vcp")).next_of("signal_update"))["data"]
        self.assertEqual((data["signal_type"], data["count"]), ("VCP", 1))
        self.assertEqual(data["signals"], [{
            "ticker": "005930", "name": "삼성전자", "market": "KOSPI", "score": 88.5, "grade": "S",
            "contraction_ratio": 0.42, "pivot_high": 83000, "entry_price": 83200, "stop_price": 79000,
            "target_price": 91000, "foreign_net_5d": 5000000000, "inst_net_5d": None, "signal_date": "2026-02-05"}])


class PostgresTest(DatabaseTest):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(Postgres())

    def setUp(self):
        if not self.database.is_running():
            self.database.start()
        self.database.sql("DROP TABLE IF EXISTS daily_prices, market_status, stocks, signals;" + SCHEMA)

    def url(self):
        return self.database.url()

    async def test_prices_indices_and_gate_are_those_of_the_newest_rows(self):
        host = self.start(self.database.url())
        await self.serves_what_the_tables_hold(host)
        await self.serves_the_gate(host)
        await self.serves_the_open_signals(host)

    async def test_a_url_as_sqlalchemy_has_it(self):
        for scheme, query in (("postgresql+psycopg2", "sslmode=disable&application_name=dashboard"),
                              ("postgresql+asyncpg", "ssl=disable&prepared_statement_cache_size=0"), ("postgres", "")):
            with self.subTest(scheme):
                url = self.database.url().replace("postgresql", scheme) + "?" + query
                host = self.start(url)
                await self.serves_what_the_tables_hold(host)
                host.stop()

    async def test_a_table_that_is_not_there_costs_what_stands_in_it(self):
        self.database.sql("ALTER TABLE market_status RENAME TO away")
        host = self.start(self.url())
        subscriber = await self.subscribe(host, "price:005930")
        await subscriber.next_of("price_update", source="database")
        await self.says(host, "price", "degraded", "; database has no KOSDAQ and KOSPI, the log says why$")
        await self.says(host, "market_gate", "degraded", "^market_status cannot be read")
        host.wait_for_line("source database, KOSDAQ and KOSPI: .*market_status")
        self.database.sql("ALTER TABLE away RENAME TO market_status")
        await self.says(host, "price", "ok", "^serving database since ")
        await self.serves_what_the_tables_hold(host)
        await self.serves_the_gate(host)

    async def test_an_odd_newest_row_and_rows_without_a_date_hide_no_good_one(self):
        self.database.sql("ALTER TABLE daily_prices DROP CONSTRAINT daily_prices_pkey;"
                          "ALTER TABLE daily_prices ALTER date DROP NOT NULL;"
                          "ALTER TABLE market_status DROP CONSTRAINT market_status_pkey;"
                          "ALTER TABLE market_status ALTER date DROP NOT NULL;"
                          "INSERT INTO daily_prices(ticker, close_price) VALUES ('005930', 1);"
                          "INSERT INTO market_status(kospi, kosdaq, gate, gate_score) VALUES (1, 1, 'RED', 1)")
        host = await self.serves_the_good_rows_below_an_odd_one(self.database.sql, "'NaN'")
        host.wait_for_line("market_gate: market_status: 1 rows have no date; and 1 more")

    async def test_rows_that_are_too_old_are_degraded_and_named_and_the_host_stays_ready(self):
        self.database.sql(f"DELETE FROM daily_prices WHERE date = '{LAST}'")
        self.database.sql(f"UPDATE daily_prices SET date = '{LONG_AGO}'")
        self.database.sql(f"DELETE FROM market_status WHERE date = '{BEFORE}'")
        self.database.sql(f"UPDATE market_status SET date = '{LONG_AGO}'")
        host = self.start(self.url())
        await self.says(host, "price", "degraded", f"the newest price of database is of {LONG_AGO}; "
                                                   f"the newest index of database is of {LONG_AGO}$")
        await self.says(host, "market_gate", "degraded", f"the newest row of market_status is of {LONG_AGO}")
        self.assertEqual(host.get("/readyz")[0], 200)

    async def test_another_date_style_of_the_role_is_none_of_its_business(self):
        self.database.sql("ALTER ROLE dashboard SET datestyle = 'SQL, DMY'")
        self.addCleanup(self.database.sql, "ALTER ROLE dashboard RESET datestyle")
        host = self.start(self.url())
        await self.serves_what_the_tables_hold(host)
        await self.serves_the_gate(host)
        await self.serves_the_open_signals(host)

    async def test_a_changed_row_reaches_who_is_subscribed(self):
        host = self.start(self.database.url())
        subscriber = await self.subscribe(host, "price:005930", "market-gate")
        await subscriber.next_of("price_update", source="database")
        self.database.sql(NEW_PRICE.format(83000))
        await subscriber.next_where(lambda message: message.get("data", {}).get("price") == 83000)
        self.database.sql("UPDATE market_status SET gate = 'YELLOW', gate_score = 50 WHERE gate = 'GREEN'")
        await subscriber.next_where(lambda message: message.get("data", {}).get("status") == "YELLOW")

    async def test_a_wrong_gate_row_is_told_once_and_the_last_one_stays(self):
        host = self.start(self.database.url())
        await self.serves_the_gate(host)
        self.database.sql("UPDATE market_status SET gate = 'PURPLE' WHERE gate = 'GREEN'")
        host.wait_for_line("market_gate: market_status: newest row left out: status")
        subscriber = await self.subscribe(host, "price:005930")
        for _ in range(20):  # as many looks at the row, about
            await subscriber.next_of("price_update")
        self.assertEqual(host.log().count("newest row left out"), 1)
        await self.serves_the_gate(host)

    async def test_a_killed_server_is_replaced_by_the_next_source_until_it_is_back(self):
        host = self.start(self.database.url())
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        gate = await self.subscribe(host, "status:market_gate")
        await subscriber.next_of("price_update", source="database")
        before = await subscriber.next_where(
            lambda message: message.get("detail", "").startswith("serving database since "))
        self.database.kill()
        away = await subscriber.next_of("status", broadcaster="price", state="degraded")
        self.assertRegex(away["detail"], "^database does not answer, serving sim since 2")
        self.assertGreater(away["since"], before["since"])
        await subscriber.next_of("price_update", source="sim")
        await gate.next_of("status", state="degraded")
        self.assertEqual(host.publish("signal:vcp", [{"ticker": "005930", "name": "x"}])[0], 200)
        self.assertEqual(host.publish("market-gate", {"status": "RED", "level": 3})[0], 200)
        self.database.start()
        back = await subscriber.next_of("status", broadcaster="price", state="ok")
        self.assertRegex(back["detail"], "^serving database since 2")
        self.assertGreater(back["since"], away["since"])
        await subscriber.next_of("price_update", source="database")
        await gate.next_of("status", state="ok")

    async def test_a_server_that_hangs_is_not_waited_for(self):
        host = self.start(self.database.url())
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        await subscriber.next_of("price_update", source="database")
        gate = await self.subscribe(host, "status:market_gate")
        await gate.next_of("status", state="ok", detail="database")  # so it is connected
        with self.database.frozen():
            await subscriber.next_of("status", broadcaster="price", state="degraded")
            await subscriber.next_of("price_update", source="sim")
            await subscriber.next_of("price_update", source="sim")
            await gate.next_of("status", state="degraded")  # its question was broken off after ten seconds
            host.wait_for_line("market_gate: database: no answer for 10 s")
        await subscriber.next_of("status", broadcaster="price", state="ok")
        await subscriber.next_of("price_update", source="database")
        await gate.next_of("status", state="ok")

    async def test_a_host_ends_while_a_query_hangs(self):
        host = self.start(self.database.url())
        subscriber = await self.subscribe(host, "price:005930")
        await subscriber.next_of("price_update", source="database")
        with self.database.frozen():
            await subscriber.next_of("price_update", source="sim")  # so one was asked, and did not answer
            host.stop()

    async def test_a_wrong_password_is_in_no_line(self):
        host = self.start(self.database.url("wr0ng"))
        host.wait_for_line("price: source database: .*password authentication failed")
        await (await self.subscribe(host, "price:005930")).next_of("price_update", source="sim")
        host.stop()
        self.assertNotIn("wr0ng", host.log())
        self.assertNotIn(PASSWORD, host.log())

    async def test_a_host_that_starts_first_finds_it_later(self):
        self.database.kill()
        host = self.start(self.database.url())
        host.wait_until_started("vcp_signal")
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        await subscriber.next_of("status", state="degraded")
        self.database.start()
        await subscriber.next_of("status", state="ok")
        await subscriber.next_of("price_update", source="database")
        await self.serves_the_gate(host)
        await self.serves_the_open_signals(host)

    async def test_what_is_no_price_is_asked_of_the_next_source_ticker_by_ticker(self):
        for wrong in ("0", "-5", "'NaN'", "'Infinity'", "1e300", "NULL"):
            self.database.sql("DELETE FROM daily_prices WHERE ticker = '000660';"
                              f"INSERT INTO daily_prices(ticker, date, close_price) VALUES ('000660', '{LAST}', {wrong})")
            with self.subTest(wrong):
                host = self.start(self.database.url())
                subscriber = await self.subscribe(host, "price:005930", "price:000660")
                await subscriber.next_of("price_update", topic="price:005930", source="database")
                await subscriber.next_of("price_update", topic="price:000660", source="sim")
                host.stop()


class SqliteTest(DatabaseTest):
    def setUp(self):
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="broadcast-sqlite-"))
        self.file = os.path.join(self.directory, "market.db")

    def url(self):
        return "sqlite:" + self.file

    def create(self):
        """In one step, as a collector should."""
        with sqlite3.connect(self.file + ".new") as database:
            database.executescript(SCHEMA)
        database.close()
        os.rename(self.file + ".new", self.file)

    def run_sql(self, statement):
        with sqlite3.connect(self.file, timeout=10) as database:
            database.execute(statement)
        database.close()

    async def test_prices_indices_and_gate_are_those_of_the_newest_rows(self):
        self.create()
        host = self.start(self.url())
        await self.serves_what_the_tables_hold(host)
        await self.serves_the_gate(host)
        await self.serves_the_open_signals(host)

    async def test_a_url_as_sqlalchemy_has_it(self):
        self.create()
        for url in ("sqlite:///" + os.path.relpath(self.file), "sqlite+aiosqlite:///" + self.file + "?timeout=5"):
            with self.subTest(url):
                host = self.start(url)
                await self.serves_what_the_tables_hold(host)
                host.stop()

    def test_a_file_that_cannot_be_opened_is_named(self):
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        self.start("sqlite:///data/market.db").wait_for_line(f"unable to open database file: {self.directory}/data/market.db")

    async def test_an_odd_newest_row_does_not_hide_the_good_one_below_it(self):
        self.create()
        await self.serves_the_good_rows_below_an_odd_one(self.run_sql, "NULL")

    async def test_a_file_that_comes_later_is_found(self):
        host = self.start(self.url())
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        await subscriber.next_of("status", state="degraded")
        self.create()
        await subscriber.next_of("status", state="ok")
        await subscriber.next_of("price_update", source="database")

    async def test_a_file_that_is_replaced_or_removed_is_not_read_on(self):
        self.create()
        host = self.start(self.url())
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        await subscriber.next_of("price_update", source="database")
        old = self.file + ".old"
        os.rename(self.file, old)
        await subscriber.next_of("status", state="degraded")
        self.create()
        self.run_sql(NEW_PRICE.format(84000))
        await subscriber.next_where(lambda message: message.get("data", {}).get("price") == 84000)

    async def test_a_writer_that_locks_the_file_does_not_hold_up_prices(self):
        self.create()
        host = self.start(self.url())
        subscriber = await self.subscribe(host, "price:005930", "status:price")
        await subscriber.next_of("price_update", source="database")
        writer = sqlite3.connect(self.file, isolation_level=None, timeout=10)
        self.addCleanup(writer.close)
        writer.execute("BEGIN EXCLUSIVE")
        await subscriber.next_of("price_update", source="sim")
        writer.execute(NEW_PRICE.format(83000))
        writer.execute("COMMIT")
        price = await subscriber.next_of("price_update", source="database")
        self.assertEqual(price["data"]["price"], 83000)

    async def test_a_file_that_is_no_database_is_named(self):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write("ticker,price\n" * 100)
        host = self.start(self.url())
        host.wait_for_line("price: source database: .*not a database")
        await (await self.subscribe(host, "price:005930")).next_of("price_update", source="sim")

    async def test_what_is_no_price_is_asked_of_the_next_source_ticker_by_ticker(self):
        self.create()
        for wrong in ("'sold out'", "9e999", "x'00ff'", "-1"):
            self.run_sql(f"UPDATE daily_prices SET close_price = {wrong} WHERE ticker = '000660'")
            with self.subTest(wrong):
                host = self.start(self.url())
                subscriber = await self.subscribe(host, "price:005930", "price:000660")
                await subscriber.next_of("price_update", topic="price:005930", source="database")
                await subscriber.next_of("price_update", topic="price:000660", source="sim")
                host.stop()

    async def test_sectors_that_are_not_json_cost_the_sectors_only(self):
        self.create()
        self.run_sql("UPDATE market_status SET sector_scores = '[{' WHERE gate = 'GREEN'")
        host = self.start(self.url())
        host.wait_for_line("market_gate: market_status: sectors: expected a list")
        gate = await (await self.subscribe(host, "market-gate")).next_of("market_gate_update")
        self.assertEqual((gate["data"]["status"], gate["data"]["sectors"]), ("GREEN", []))
        subscriber = await self.subscribe(host, "price:005930")
        for _ in range(20):  # as many looks at the row, about
            await subscriber.next_of("price_update")
        self.assertEqual(host.log().count("expected a list"), 1)


if __name__ == "__main__":
    unittest.main()
