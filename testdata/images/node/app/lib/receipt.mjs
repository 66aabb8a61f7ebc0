import { readFile } from 'node:fs/promises';

const thanks = JSON.parse(await readFile(new URL('./thanks.json', import.meta.url), 'utf8'));

export function receipt(cents, lang) {
  const amount = new Intl.NumberFormat(lang, { style: 'currency', currency: 'EUR' }).format(cents / 100);
  return `${amount}\n${thanks[lang] ?? thanks.en}\n`;
}
