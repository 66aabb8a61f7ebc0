'use strict';

const { parentPort, workerData } = require('node:worker_threads');
parentPort.postMessage(workerData.split(' ').reduce((sum, n) => sum + BigInt(n), 0n).toString());
