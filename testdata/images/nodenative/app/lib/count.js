process.once('message', (words) => {
  process.send(words.split(' ').length);
  process.disconnect();
});
