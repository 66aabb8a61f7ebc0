module.exports = class Trouble extends Error {};
