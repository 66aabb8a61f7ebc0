'use strict';

const express = require('express');
const sqlite3 = require('sqlite3');
const { Iconv } = require('iconv');
const RE2 = require('re2');
const fs = require('fs');
const path = require('path');

const STATE = '/var/lib/shop';
const app = express();
app.set('view engine', 'ejs');
app.set('views', path.join(__dirname, 'views'));
app.use('/static', express.static(path.join(__dirname, 'public')));

const db = new sqlite3.Database(':memory:');
db.serialize(() => {
  db.run('create table product (name text, cents integer)');
  for (const row of [['Teekanne', 2450], ['Große Tasse', 895]]) db.run('insert into product values (?, ?)', row);
});

// answers turns what a function of the query returns into JSON.
const answers = (f) => (req, res, next) => Promise.resolve().then(() => f(req.query, req)).then((v) => res.json(v), next);

app.get('/', (req, res, next) => {
  db.all('select name, cents from product order by cents', (err, products) => (err ? next(err) : res.render('index', { products })));
});
app.put('/orders/:id', express.text({ type: () => true }), (req, res, next) => {
  fs.writeFile(path.join(STATE, 'order-' + Number(req.params.id)), req.body, (err) => (err ? next(err) : res.status(204).end()));
});
app.get('/orders/:id', (req, res) => {
  res.sendFile(path.join(STATE, 'order-' + Number(req.params.id)), { headers: { 'Content-Type': 'text/plain' } }, (err) => err && res.status(404).render('lost', { path: req.path }));
});
app.get('/encode', answers(({ to, text }) => new Iconv('UTF-8', to).convert(text).toString('hex')));
app.get('/match', answers(({ re, text }) => new RE2(re, 'u').exec(text)));
app.post('/form', express.urlencoded({ extended: true }), answers((q, req) => req.body));
app.post('/old', express.text({ type: '*/*', defaultCharset: 'latin1' }), answers((q, req) => req.body));
app.get('/settings', answers(() => require('js-yaml').load(fs.readFileSync(path.join(__dirname, 'settings.yml'), 'utf8'))));
app.post('/xml', express.text({ type: '*/*' }), answers(async (q, req) => {
  const { parseStringPromise, Builder } = require('xml2js');
  const read = await parseStringPromise(req.body);
  return [read, new Builder({ headless: true, renderOpts: { pretty: false } }).buildObject(read)];
}));
app.get('/fetched', answers(async (q, req) => {
  const { request } = require('undici');
  const own = `http://127.0.0.1:${req.socket.localPort}/static/style.css`;
  return [(await (await request(own)).body.text()).trim(), (await fetch(own)).status];
}));
app.get('/clock', answers(({ unix, zone, lang }) => new Intl.DateTimeFormat(lang, { timeZone: zone, dateStyle: 'full', timeStyle: 'short' }).format(unix * 1000)));
app.get('/sorted', answers(({ lang, words }) => words.split(' ').sort(new Intl.Collator(lang).compare)));
app.get('/receipt', answers(async () => (await import('./lib/receipt.mjs')).receipt()));
app.get('/delivery/:by', (req, res) => {
  let carrier;
  try {
    carrier = require('./plugins/' + req.params.by.replace(/[^a-z]/g, ''));
  } catch (err) {
    return res.status(404).render('lost', { path: req.path });
  }
  res.json(carrier(Number(req.query.grams)));
});
app.get('/thread', answers(({ n }) => new Promise((resolve, reject) => {
  const { Worker } = require('worker_threads');
  const worker = new Worker(path.join(__dirname, 'lib/sum.js'), { workerData: Number(n) });
  worker.on('message', resolve).on('error', reject);
})));
app.get('/fork', answers(({ words }) => new Promise((resolve, reject) => {
  const child = require('child_process').fork(path.join(__dirname, 'lib/count.js'));
  child.on('message', resolve).on('error', reject);
  child.send(words);
})));
app.get('/packed', answers(({ text }) => {
  const zlib = require('zlib');
  return [zlib.gunzipSync(zlib.gzipSync(text)).toString(), zlib.brotliDecompressSync(zlib.brotliCompressSync(text)).toString()];
}));
app.get('/digest', answers(({ word }) => {
  const crypto = require('crypto');
  return [crypto.createHash('sha3-256').update(word).digest('hex').slice(0, 16), crypto.pbkdf2Sync(word, 'salt', 1000, 8, 'sha256').toString('hex')];
}));
app.get('/address', (req, res, next) => {
  require('dns').lookup(req.query.name, 4, (err, address) => (err ? next(err) : res.format({ json: () => res.json(address), text: () => res.send(address) })));
});
app.get('/file', (req, res) => res.attachment('price_€.txt').cookie('seen', 'yes', { signed: false }).send('Tee'));
app.get('/broken', ({ query }) => {
  throw new (require('./lib/trouble'))(query.text);
});
app.use((req, res) => res.status(404).render('lost', { path: req.path }));
app.use((err, req, res, next) => res.status(500).render('broken', { err }));

const server = app.listen(3000);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
