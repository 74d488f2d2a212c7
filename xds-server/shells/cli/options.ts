/** Options that several commands share, so that they are spelt and parsed alike. */
import { InvalidArgumentError, Option } from 'commander';
import { formatAddress } from '../../pure/plan/address.js';
import { defaultAdmin, parseRemoteAddress } from './address.js';

export const adminOption = (): Option =>
  new Option('--admin <address>', 'admin address of the brain')
    .argParser(parseRemoteAddress)
    .default(defaultAdmin, formatAddress(defaultAdmin));

export const jsonOption = (): Option => new Option('--json', 'print JSON');

/** The admin API gives at most 1000 rows at once. */
export const limitOption = (): Option =>
  new Option('--limit <rows>', 'how many rows at most').argParser(wholeNumber(1, 1000)).default(100);

export const offsetOption = (): Option =>
  new Option('--offset <rows>', 'how many rows to pass over')
    .argParser(wholeNumber(0, 999_999_999))
    .default(0);

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}
