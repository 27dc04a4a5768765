/**
 * The import rules of the folders: downward only, no circle.
 * `may` lists, per folder of src, the other folders it may import; everything may import errors.ts.
 */
const may = {
  http: ['gateway', 'auth'],
  graphql: ['gateway', 'auth'],
  gateway: ['auth', 'clauses', 'consent', 'fhir', 'vault', 'records', 'ledger', 'audit', 'exchange'],
  // The requests to proxies are written down once, on their side.
  exchange: ['fhir', 'vault', 'records', 'ledger', 'consent', 'audit', 'proxy/protocol'],
  audit: ['fhir', 'vault', 'records', 'ledger', 'consent'],
  auth: [],
  consent: ['ledger', 'records'],
  fhir: ['clauses'],
  records: ['clauses'],
  // What a search asks, for whoever makes it and whoever answers it.
  clauses: [],
  ledger: [],
  // A proxy has a keystore and sealed kfrags of its own, so it takes those two pieces of the vault besides Umbral.
  // It is an application of its own, so it has a main that reads its configuration.
  proxy: ['vault/pre', 'vault/keys', 'vault/aead', 'vault/keystore', 'ledger', 'config'],
}
const folder = (name) => (/keys$|aead$|keystore$|protocol$|config$/.test(name) ? `^src/${name}\\.ts$` : `^src/${name}/`)
const rules = Object.entries(may).map(([name, allowed]) => ({
  name: `${name}-imports-downward`,
  severity: 'error',
  from: { path: folder(name) },
  to: {
    path: '^src/',
    pathNot: [folder(name), '^src/errors\\.ts$', ...allowed.map(folder)],
  },
}))

module.exports = {
  forbidden: [
    { name: 'no-circle', severity: 'error', from: {}, to: { circular: true } },
    ...rules,
    {
      name: 'vault-imports-permit-only',
      severity: 'error',
      from: { path: '^src/vault/' },
      to: { path: '^src/', pathNot: ['^src/vault/', '^src/errors\\.ts$', '^src/consent/permit\\.ts$'] },
    },
    {
      name: 'umbral-stands-alone',
      comment: 'vault/pre is mathematics: no Nest, no I/O, nothing of ours above it',
      severity: 'error',
      from: { path: '^src/vault/pre/' },
      to: { path: '^src/|@nestjs|typeorm|^(node:)?(fs|net|http)', pathNot: ['^src/vault/pre/', '^src/errors\\.ts$'] },
    },
    {
      name: 'config-is-injected',
      comment: 'only the composition root and the command line read the configuration module at run time',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/(app\\.module|main|address|config)\\.ts$', '^src/(cli|embedded|proxy)/'] },
      to: { path: '^src/(config|environment)\\.ts$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'composition-root-is-the-top',
      comment: 'main starts, app.module composes; nobody imports what composes them',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(main|start)\\.ts$' },
      to: { path: '^src/(main|start|app\\.module)\\.ts$' },
    },
    {
      name: 'composition-belongs-to-its-root',
      comment: 'what composes one world is a part of app.module that stands in a file of its own',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(app\\.module\\.ts$|composition/)' },
      to: { path: '^src/composition/' },
    },
    {
      name: 'no-import-from-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}
