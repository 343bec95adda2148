import { resumeFiles } from '../../src/node/resume-files.ts';
import { temporaryFolder } from '../support/tree.ts';
import { resumeStoreContract } from './resume-store.contract.ts';

resumeStoreContract('files', () => {
  const folder = temporaryFolder('resume');
  return {
    open: () => resumeFiles(folder.path),
    wait: (start) => new Promise((resolve) => start(resolve)),
    end: () => {
      folder.remove();
      return Promise.resolve();
    },
  };
});
