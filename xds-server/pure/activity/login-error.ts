/** Why servers turn clients away, by what they say. */

/** As far as an operator would do something different about it. */
export const loginErrors = ['credentials', 'database', 'capacity', 'unavailable', 'other'] as const;

export type LoginErrorKind = (typeof loginErrors)[number];

/** @param error SQLSTATE or errno */
export function kindOfLoginError(error: string): LoginErrorKind {
  if (/^28/.test(error) || ['1045', '1130', '1251', '1698', '1820', '1862', '3118', '4151'].includes(error))
    return 'credentials';
  if (['3D000', '42501', '1044', '1049'].includes(error)) return 'database';
  if (/^53/.test(error) || ['1040', '1203', '1226'].includes(error)) return 'capacity';
  if (/^(57|08)/.test(error) || ['1053', '1129', '1927'].includes(error)) return 'unavailable';
  return 'other';
}
