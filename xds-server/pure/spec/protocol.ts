/** Which protocol an engine speaks. */
export function protocolOf(engine: 'postgres' | 'mysql' | 'mariadb'): 'postgres' | 'mysql' {
  return engine === 'postgres' ? 'postgres' : 'mysql';
}
