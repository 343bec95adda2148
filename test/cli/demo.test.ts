import { expect, test } from 'vitest';
import { events, Sandbox } from '../support/sandbox.ts';

test('the demo shows a seeder killed, a liar caught and the data verified', async () => {
  const sandbox = new Sandbox();
  try {
    const { code, stdout, stderr } = await sandbox.run('demo', '--json', '--size', '4M');
    expect(stderr).not.toContain('torrent-ts:');
    const told = events(stdout.split('\n'));
    const names = told.map(({ event }) => event);
    expect(names).toEqual(expect.arrayContaining(['added', 'reject', 'ban', 'demo-killed', 'complete']));
    const banned = told.find(({ event }) => event === 'ban')!.peer;
    expect(told.find(({ event }) => event === 'demo-killed')!.peer).not.toBe(banned);
    expect(told.at(-1)).toMatchObject({
      event: 'demo-result',
      verified: true,
      liarCaught: true,
      length: 4_194_304,
    });
    expect(code).toBe(0);
  } finally {
    await sandbox.close();
  }
});
