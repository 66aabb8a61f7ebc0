INSERT INTO orders (product, count) SELECT 1 + n % 2, 1 + n % 5 FROM generate_series(1, 1000) AS n;
ANALYZE orders;
