import { Option, type Command } from 'commander';
import type { SimulateFlags } from './commands/simulate.ts';
import * as parse from './parse-values.ts';
import type { OutputFlags, Runner } from './program.ts';

/** Those of the simulator, which is not loaded for the sake of help. */
const SCENARIO_NAMES = [
  'textbook',
  'mixed',
  'loss',
  'free-riders',
  'flash-crowd',
  'slow-seeder',
  'scale',
  'ten-thousand',
];

const SIMULATE_NOTES = `
Times are told in F/u: the time in which a peer could send the file once.
The same seed gives the same run, message by message.

Examples:
  torrent-ts simulate                                           the textbook's figure
  torrent-ts simulate -n 30 --picker rarest-first,random,sequential
  torrent-ts simulate --scenario mixed --loss 5 --svg mixed.svg
`;

/** The words of `torrent-ts simulate`: its code is loaded when it runs. */
export function addSimulate(program: Command, runner: Runner): void {
  const command = program
    .command('simulate')
    .description('Simulate swarms of the real engine, and draw how close they come to the lower bound.')
    .addOption(
      new Option('--scenario <name>', 'what to start from').choices(SCENARIO_NAMES).default('textbook'),
    )
    .addOption(
      new Option('-n, --peers <counts>', 'how many download, such as 1,10,100')
        .argParser(parse.parseCounts)
        .default(undefined, "the scenario's; textbook 1,3,10,30"),
    )
    .addOption(
      new Option('--seed <number>', 'all chance comes from it').argParser(parse.parseSeed).default(1),
    )
    .addOption(new Option('--pieces <count>', 'pieces of the file').argParser(parse.parseCount))
    .addOption(new Option('--piece-size <size>', 'a power of two from 16K').argParser(parse.parsePieceLength))
    .addOption(
      new Option('--rate <rate>', 'the unit u of all rates, such as 128K').argParser(parse.parseRate),
    )
    .addOption(new Option('--server <times>', 'uplink of the seeder, in u').argParser(parse.parseMultiple))
    .addOption(
      new Option('--uplinks <times>', 'uplinks of the peers in u, in turns: 1:5:25').argParser(
        parse.parseMultiples,
      ),
    )
    .addOption(
      new Option('--downlinks <times>', 'downlinks of the peers, in u').argParser(parse.parseMultiple),
    )
    .addOption(
      new Option('--latency <duration>', 'from each host to the middle of the network').argParser(
        parse.parseDuration,
      ),
    )
    .addOption(new Option('--links <count>', 'connections of each client').argParser(parse.parseCount))
    .addOption(new Option('--slots <count>', 'upload slots of each client').argParser(parse.parseCount))
    .addOption(
      new Option('--free-riders <percent>', 'so many give nothing').argParser((text) =>
        parse.parsePercent(text),
      ),
    )
    .addOption(
      new Option('--loss <percent>', 'so many vanish in each minute').argParser((text) =>
        parse.parsePercent(text, false),
      ),
    )
    .addOption(new Option('--join <duration>', 'they join within this time').argParser(parse.parseDuration))
    .addOption(new Option('--super-seed', 'the seeder hides what it has (BEP 16)'))
    .addOption(new Option('--no-super-seed').hideHelp())
    .addOption(new Option('--pex', 'peers tell each other of peers, as usual').hideHelp())
    .addOption(new Option('--no-pex', 'peers learn of peers from the tracker alone'))
    .addOption(new Option('--leave', 'they leave when complete, instead of seeding'))
    .addOption(new Option('--no-leave').hideHelp())
    .addOption(
      new Option(
        '--picker <names>',
        'which piece next; several are compared: rarest-first, random, sequential',
      ).argParser(parse.parseWords(['rarest-first', 'random', 'sequential'])),
    )
    .addOption(
      new Option(
        '--choker <names>',
        'whom to serve; several are compared: tit-for-tat, round-robin',
      ).argParser(parse.parseWords(['tit-for-tat', 'round-robin'])),
    )
    .addOption(
      new Option('--grain <duration>', 'small messages arrive at multiples of this').argParser(
        parse.parseDuration,
      ),
    )
    .addOption(
      new Option('--fidelity <kind>', 'what links carry, bytes take many times as long').choices([
        'messages',
        'bytes',
      ]),
    )
    .addOption(
      new Option('--limit <duration>', 'virtual time that a run may take').argParser(parse.parseDuration),
    )
    .addOption(
      new Option('--check <events>', 'look for broken promises every so many events').argParser(
        parse.parseCount,
      ),
    )
    .addOption(new Option('--svg <file>', 'also draw the figure, - for stdout'))
    .addOption(new Option('-f, --force', 'replace a file that exists'))
    .addOption(new Option('--no-plot', 'no drawing on the terminal'))
    .addOption(new Option('--no-run', 'the formulas alone'));
  command.addHelpText('after', SIMULATE_NOTES);
  command.action(async () => {
    const { simulate } = await import('./commands/simulate.ts');
    runner.done(
      await simulate(runner.context(command.optsWithGlobals<OutputFlags>()), command.opts<SimulateFlags>()),
    );
  });
}
