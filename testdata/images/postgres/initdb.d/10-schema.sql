CREATE DATABASE shop;
\connect shop
CREATE EXTENSION pg_stat_statements;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION unaccent;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION hstore;
CREATE EXTENSION btree_gist;
CREATE EXTENSION file_fdw;
CREATE EXTENSION plpython3u;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE price (name text, euro numeric) SERVER files OPTIONS (filename '/srv/prices.csv', format 'csv', delimiter ';');
CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, tags hstore);
CREATE TABLE orders (id serial PRIMARY KEY, product int REFERENCES product, count int CHECK (count > 0));
CREATE TABLE rental (cup int, during daterange, EXCLUDE USING gist (cup WITH =, during WITH &&));
CREATE TEXT SEARCH DICTIONARY shop (TEMPLATE = synonym, SYNONYMS = shop);
CREATE TEXT SEARCH CONFIGURATION shop (COPY = german);
ALTER TEXT SEARCH CONFIGURATION shop ALTER MAPPING FOR asciiword, word WITH shop, german_stem;
CREATE FUNCTION total(lines text) RETURNS text LANGUAGE plpython3u AS $$
import till
return till.total(lines)
$$;
CREATE FUNCTION order_it(product int, count int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE made int;
BEGIN
  INSERT INTO orders (product, count) VALUES ($1, $2) RETURNING id INTO made;
  PERFORM pg_notify('orders', made::text);
  RETURN made;
END $$;
