import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Child } from '../../support/child.ts';
import { eventually } from '../../support/eventually.ts';
import type { Host } from '../network.ts';
import { needsCommand } from './client.ts';

const PORT = 80;

/** A web server as it is found on the web, with the files of one folder. */
export class Nginx {
  readonly #host: Host;
  readonly child: Child;

  static check(): void {
    needsCommand('nginx', 'apt-get install -y nginx-light');
  }

  /** @param folder Fresh, for its own files. @param root The folder that it serves. */
  static async start(host: Host, folder: string, root: string): Promise<Nginx> {
    Nginx.check();
    const config = join(folder, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    mkdirSync(join(folder, 'temporary'));
    writeFileSync(
      config,
      `daemon off;
user root;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 64; }
http {
  access_log ${folder}/access.log;
  sendfile on;
  map $request_uri $place { ~^/moved(?<rest>/.*)$ $rest; }
  ${temporary.map((name) => `${name}_temp_path ${folder}/temporary/${name};`).join('\n  ')}
  server {
    listen ${host.address}:${PORT};
    root "${root}";
    location /moved/ { return 302 $place; }
  }
}
`,
    );
    const child = host.start('nginx', ['-c', config, '-e', join(folder, 'error.log')]);
    const nginx = new Nginx(host, child);
    await eventually('nginx answers', () => nginx.#answers());
    return nginx;
  }

  private constructor(host: Host, child: Child) {
    this.#host = host;
    this.child = child;
  }

  get url(): string {
    return `http://${this.#host.address}`;
  }

  async #answers(): Promise<true | null> {
    const program =
      'import sys, urllib.request, urllib.error\n' +
      'try: urllib.request.urlopen(sys.argv[1], timeout=5)\n' +
      'except urllib.error.HTTPError: pass\n' +
      'except OSError: sys.exit("silent")\n' +
      'print("here")';
    return this.#host.run('/usr/bin/python3', ['-c', program, this.url]).then(
      () => true as const,
      () => null,
    );
  }
}
