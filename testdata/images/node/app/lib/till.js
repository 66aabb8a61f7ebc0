'use strict';

// The till is a server of its own behind TLS, on the loopback.
const fs = require('node:fs');
const https = require('node:https');

const server = https.createServer(
  { key: fs.readFileSync('/etc/shop/tls/till.key'), cert: fs.readFileSync('/etc/shop/tls/till.crt') },
  (req, res) => res.end(JSON.stringify({ cents: 4711, over: req.socket.getProtocol() })),
).listen(0, '127.0.0.1');

exports.close = () => server.close();
exports.balance = () => new Promise((resolve, reject) => {
  https.get({ host: 'localhost', family: 4, port: server.address().port, agent: false }, (res) => {
    let body = '';
    res.on('data', (d) => { body += d; }).on('end', () => resolve(JSON.parse(body)));
  }).on('error', reject);
});
