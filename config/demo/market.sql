-- The dashboard's database in small: what ./dev run makes its SQLite file from. Days are Korean.
CREATE TABLE stocks(ticker varchar(6) PRIMARY KEY, name varchar(100), market varchar(10));
CREATE TABLE daily_prices(ticker varchar(6), date date, open_price double, high_price double, low_price double,
  close_price double, volume bigint, foreign_net_buy int, inst_net_buy int, PRIMARY KEY(ticker, date));
CREATE TABLE market_status(date date PRIMARY KEY, kospi double, kospi_change_pct double, kosdaq double,
  kosdaq_change_pct double, gate varchar(10), gate_score int, sector_scores json);

INSERT INTO stocks VALUES
  ('005930', '삼성전자', 'KOSPI'), ('000660', 'SK하이닉스', 'KOSPI'), ('035420', 'NAVER', 'KOSPI'),
  ('005380', '현대차', 'KOSPI'), ('028260', '삼성물산', 'KOSPI'), ('000020', '동화약품', 'KOSPI');

INSERT INTO daily_prices VALUES
  ('005930', date('now', '+9 hours', '-2 days'), 81900, 82400, 81300, 82000, 14210332, -120344, 88210),
  ('005930', date('now', '+9 hours', '-1 day'), 82100, 83200, 81900, 83000, 13874121, 210455, 43018),
  ('005930', date('now', '+9 hours'), 83000, 83000, 82100, 82500, 12345678, -35120, 10422),
  ('000660', date('now', '+9 hours', '-2 days'), 231000, 233500, 228500, 229500, 2910442, -40110, 22981),
  ('000660', date('now', '+9 hours', '-1 day'), 230500, 236000, 230000, 235500, 3102954, 91220, 30519),
  ('000660', date('now', '+9 hours'), 236000, 240500, 235000, 239000, 3350118, 120447, 41850),
  ('035420', date('now', '+9 hours', '-2 days'), 214000, 216500, 212500, 215500, 611254, 8123, -5210),
  ('035420', date('now', '+9 hours', '-1 day'), 215000, 215500, 210000, 211000, 702118, -22119, -14870),
  ('035420', date('now', '+9 hours'), 211500, 214500, 211000, 213500, 584220, 10288, 6120),
  ('005380', date('now', '+9 hours', '-2 days'), 246500, 249000, 245000, 248000, 540221, 12009, 8211),
  ('005380', date('now', '+9 hours', '-1 day'), 248000, 252500, 247500, 251500, 601887, 30112, 15288),
  ('005380', date('now', '+9 hours'), 251000, 251500, 247000, 248500, 498120, -18230, -2104),
  ('028260', date('now', '+9 hours', '-2 days'), 143200, 144800, 142500, 144100, 210556, 4120, 2870),
  ('028260', date('now', '+9 hours', '-1 day'), 144000, 146900, 143800, 146200, 254112, 11208, 5518),
  ('028260', date('now', '+9 hours'), 146500, 148000, 146000, 147300, 231004, 6122, 4012),
  ('000020', date('now', '+9 hours', '-2 days'), 6420, 6480, 6390, 6450, 88212, -120, 0),
  ('000020', date('now', '+9 hours', '-1 day'), 6450, 6500, 6400, 6410, 91204, -310, 0),
  ('000020', date('now', '+9 hours'), 6410, 6470, 6400, 6460, 75118, 140, 0);

INSERT INTO market_status VALUES
  (date('now', '+9 hours', '-1 day'), 2622.85, 0.62, 851.21, 0.35, 'GREEN', 74, NULL),
  (date('now', '+9 hours'), 2610.55, -0.47, 855.42, 0.49, 'YELLOW', 58,
   '[{"name": "반도체", "ticker": "091160", "change_pct": 1.42}, {"name": "은행", "ticker": "091170", "change_pct": 0.31},
     {"name": "2차전지", "ticker": "305720", "change_pct": -1.87}]');
