'use strict';

const express = require('express');
const fs = require('node:fs');
const path = require('node:path');
const till = require('./lib/till');

const app = express();
app.set('view engine', 'pug'); // which express requires by its name
app.set('views', path.join(__dirname, 'views'));
app.use(require('compression')({ threshold: 256 }));
app.use('/static', express.static(path.join(__dirname, 'public')));
app.use(express.json());
app.use(express.urlencoded({ extended: true }));
app.use(express.text({ type: 'text/plain' })); // in any character set

const state = '/var/lib/shop';
const log = fs.createWriteStream('/var/log/shop/access.log', { flags: 'a' });
app.use((req, res, next) => { log.write(`${req.method} ${req.path}\n`); next(); });

// fails hands what an async handler throws to express.
const fails = (f) => (req, res, next) => f(req, res).catch(next);

app.get('/', (req, res) => res.render('index', { title: 'Zum goldenen Löwen', products: require('./products.json') }));
app.get('/about', (req, res) => res.render('about', { title: 'Über uns', text: fs.readFileSync('about.md', 'utf8') }));
app.get('/me', (req, res) => res.json(require('node:os').userInfo()));
app.post('/echo', (req, res) => res.json(req.body));

app.put('/orders/:id', (req, res) => {
  fs.writeFileSync(path.join(state, `${parseInt(req.params.id, 10)}.json`), JSON.stringify(req.body));
  res.status(204).end();
});
app.get('/orders/:id', (req, res) => res.sendFile(`${parseInt(req.params.id, 10)}.json`, { root: state }));

app.get('/delivery/:by', (req, res) => {
  if (!/^[a-z]+$/.test(req.params.by)) return res.status(400).end();
  res.json(require('./plugins/' + req.params.by)(Number(req.query.grams)));
});
app.get('/receipt', fails(async (req, res) => {
  const { receipt } = await import('./lib/receipt.mjs');
  res.type('text').send(receipt(Number(req.query.cents), req.query.lang));
}));
app.get('/when', (req, res) => {
  const at = new Date(Number(req.query.unix) * 1000);
  const say = (locale, timeZone) => new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long', timeZone }).format(at);
  res.json({ berlin: say('de-DE', 'Europe/Berlin'), tokyo: say('ja-JP', 'Asia/Tokyo'), here: at.toString() });
});
app.get('/sorted', (req, res) => res.json(req.query.words.split(' ').sort(new Intl.Collator(req.query.lang).compare)));
app.get('/password', fails(async (req, res) => {
  const { hash, verify } = require('@node-rs/argon2');
  const hashed = await hash(req.query.word);
  res.json({ kind: hashed.split('$')[1], right: await verify(hashed, req.query.word), wrong: await verify(hashed, 'x') });
}));
app.get('/digest', (req, res) => {
  const { createHash, scryptSync } = require('node:crypto');
  res.json({ sha3: createHash('sha3-256').update('tea').digest('hex'), key: scryptSync('tea', 'salt', 16).toString('hex') });
});
app.get('/sum', fails(async (req, res) => {
  const { Worker } = require('node:worker_threads');
  const worker = new Worker(path.join(__dirname, 'lib/sum.js'), { workerData: req.query.of });
  const [sum] = await require('node:events').once(worker, 'message');
  res.json({ sum });
}));
app.get('/words', fails(async (req, res) => {
  const { execFile, fork } = require('node:child_process');
  const { promisify } = require('node:util');
  const shell = await promisify(execFile)('/bin/sh', ['-c', 'printf "%s\\n" $WORDS | sort | tr "\\n" " "'], { env: { ...process.env, WORDS: req.query.words } });
  const child = fork(path.join(__dirname, 'lib/count.js'));
  child.send(req.query.words);
  const [count] = await require('node:events').once(child, 'message');
  res.json({ sorted: shell.stdout.trim(), count });
}));
app.get('/balance', fails(async (req, res) => res.json(await till.balance())));
app.get('/resolve', fails(async (req, res) => res.json(await require('node:dns').promises.lookup(req.query.name, { family: 4 }))));

app.use((req, res) => res.status(404).render('lost', { title: '404' }));
app.use((err, req, res, next) => res.status(500).type('text').send(`${err.code || err.name}: ${err.message}`));

const server = app.listen(3000, () => console.log('open'));
process.on('SIGTERM', () => {
  till.close();
  server.closeAllConnections();
  server.close(() => log.end(() => {
    console.log(require('./lib/farewell')(path.join(state, 'closed')));
    process.exit(0);
  }));
});
