CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL);
CREATE TABLE purchase (ref TEXT PRIMARY KEY, product INTEGER NOT NULL REFERENCES product, count INTEGER NOT NULL);
CREATE VIRTUAL TABLE search USING fts5 (name, content='product', content_rowid='id', tokenize='unicode61');
INSERT INTO product VALUES (1, 'Teekanne', 2450), (2, 'Große Tasse', 895), (3, 'tee aus Darjeeling', 1290);
INSERT INTO search (search) VALUES ('rebuild');
