'use strict';

// Only loaded when the shop closes.
const zlib = require('node:zlib');

module.exports = (file) => {
  require('node:fs').writeFileSync(file, zlib.gzipSync('closed'));
  return 'closed';
};
