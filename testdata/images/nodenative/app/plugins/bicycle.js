module.exports = (grams) => 300 + Math.floor(grams / 10);
