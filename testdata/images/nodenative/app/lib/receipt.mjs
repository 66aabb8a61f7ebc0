import { extname } from 'path';
import { total } from './total.js';

export const receipt = () => `${total([2450, 895])} ${extname('a.txt')}`;
