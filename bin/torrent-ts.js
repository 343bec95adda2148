#!/usr/bin/env node
// Parsed by every Node there is: no syntax newer than 2015.
var version = process.versions.node.split('.').map(Number);
if (version[0] < 20 || (version[0] === 20 && version[1] < 19)) {
  console.error(
    'torrent-ts needs Node 20.19 or newer, this is ' + process.versions.node + '. Get it: https://nodejs.org',
  );
  process.exit(1);
} else {
  require('../dist/command-line/start.js').start(process.argv.slice(2));
}
