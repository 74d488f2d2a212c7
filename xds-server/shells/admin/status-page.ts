/** The status page as it is sent: one file, and a policy by which a browser runs nothing but what is in that file. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const sha256 = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export class StatusPage {
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;

  private constructor(html: string) {
    this.html = html;
    this.headers = {
      'content-type': 'text/html; charset=utf-8',
      'referrer-policy': 'no-referrer',
      'content-security-policy': [
        `default-src 'none'`,
        `script-src ${inline(html, 'script')}`,
        `style-src ${inline(html, 'style')}`,
        `connect-src 'self'`,
        `img-src data:`,
        `base-uri 'none'`,
        `form-action 'none'`,
        `frame-ancestors 'none'`,
      ].join('; '),
    };
  }

  static async load(): Promise<StatusPage> {
    return new StatusPage(await readFile(new URL('./status-page.html', import.meta.url), 'utf8'));
  }
}

function inline(html: string, tag: 'script' | 'style'): string {
  const [, text] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html) ?? [];
  if (text === undefined) throw new Error(`status-page.html has no <${tag}>`);
  return sha256(text);
}
