exports.total = (list) => list.reduce((a, b) => a + b, 0);
