const rates = require('./post.json');

module.exports = (grams) => (rates.find(([up]) => grams <= up) || [])[1];
