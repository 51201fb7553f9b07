import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { isMillraceError, messageOf } from '../base/errors.ts'
import { check } from './check-command.ts'
import { describe } from './describe-command.ts'
import { deleteGroup, describeGroup, listGroups, resetGroup } from './group-commands.ts'
import { FORMATS, type Format, type Output } from './output.ts'
import { produce } from './produce-command.ts'
import { read } from './read-command.ts'
import { run } from './run-command.ts'
import { alterTopic, createTopic, deleteTopic, describeTopic, listTopics } from './topic-commands.ts'
import { SETTINGS_HELP } from './topic-settings.ts'
import { getRow, listRows, listViews, watchView } from './view-commands.ts'

/** Exit codes: 0 done, 1 failed, 2 wrong usage. */
export async function main(words: readonly string[], output: Output): Promise<number> {
  try {
    await program(output).parseAsync([...words], { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    const usage = isMillraceError(error) && error.code === 'MILLRACE_INVALID_ARGUMENT'
    output.note(`millrace: ${messageOf(error)}${isMillraceError(error) ? ` [${error.code}]` : ''}\n`)
    if (process.env['MILLRACE_DEBUG'] !== undefined && error instanceof Error)
      output.note(`${error.stack ?? ''}\n`)
    return usage ? 2 : 1
  }
}

const DEFAULT_PLACE = 'file:./.millrace'

function program(output: Output): Command {
  const millrace = new Command('millrace')
    .description(
      'Stream processing for TypeScript: a durable log, event time, exactly-once, live views, in one directory.',
    )
    .version('0.1.0')
    .exitOverride()
    .configureOutput({ writeOut: (text) => output.write(text), writeErr: (text) => output.note(text) })
    .showHelpAfterError('(add --help for what there is)')
    .addHelpText('after', EXAMPLES)
  runCommands(millrace, output)
  topicCommands(millrace, output)
  groupCommands(millrace, output)
  viewCommands(millrace, output)
  formatted(millrace.command('check'))
    .description('verify every byte of a data directory: batches, offsets, indexes, journal')
    .option('--repair', 'cut damage out, list it, and keep what was cut in files beside')
    .action((options: FormatOptions) => check(options, output))
  return millrace
}

const EXAMPLES = `
Examples:
  millrace run trending.ts                     run a pipeline; data in ./.millrace, HTTP on 127.0.0.1:4040
  millrace run access-log.ts --until-end       read files to their end, close all windows, stop
  millrace produce clicks < clicks.jsonl       append one record a line
  millrace read clicks --follow                watch a topic
  millrace read clicks --group audit           what the group audit has not seen yet
  millrace group reset audit --to earliest     let it read everything again
  millrace view get pages /home                one row of a view
A command on a directory that a running app holds talks to that app.`

interface AtOptions {
  readonly at: string
}
interface FormatOptions extends AtOptions {
  readonly format?: Format
}

function at(command: Command): Command {
  return command.option('--at <url>', 'where the data lies: file:FOLDER', DEFAULT_PLACE)
}

function formatted(command: Command): Command {
  const choice = new Option('--format <format>', 'default: a table in a terminal, else jsonl').choices([
    ...FORMATS,
  ])
  return at(command).addOption(choice)
}

function runCommands(millrace: Command, output: Output): void {
  at(millrace.command('run <file>'))
    .description('run the app that a pipeline file exports')
    .option('--until-end', 'end when all bounded inputs are read: windows close, everything is committed')
    .option('--set <key=value>', 'an option of a pipeline made by withOptions; may be repeated', collect, [])
    .option('--port <port>', 'HTTP port on 127.0.0.1, 0 for any free one', parsePort, 4040)
    .option('--no-http', 'serve nothing over HTTP')
    .option('--commit-interval <time>', 'how often results become durable and visible, as 100ms or 1s')
    .action((file: string, options) => run(file, options, output))
  millrace
    .command('describe <file>')
    .description('show what a pipeline comes down to: stages, stores, topics, holds')
    .option('--set <key=value>', 'an option of a pipeline made by withOptions; may be repeated', collect, [])
    .addOption(new Option('--format <format>').choices([...FORMATS]))
    .action((file: string, options) => describe(file, options, output))
}

function topicCommands(millrace: Command, output: Output): void {
  formatted(millrace.command('topics'))
    .description('list topics with their partitions and records')
    .option('--internal', 'the topics that the system keeps for itself too')
    .action((options) => listTopics(options, output))
  const topic = millrace.command('topic').description('create, describe, alter or delete a topic')
  at(topic.command('create <name>'))
    .option('--partitions <count>', 'how many', parseCount, 1)
    .option(
      '--durability <kind>',
      'fsync: acknowledged when on the disk; os: when in the page cache',
      'fsync',
    )
    .option('--set <name=value>', 'a setting; may be repeated', collect, [])
    .addHelpText('after', SETTINGS_HELP)
    .action((name: string, options) => createTopic(name, options, output))
  formatted(topic.command('describe <name>')).action((name: string, options) =>
    describeTopic(name, options, output),
  )
  at(topic.command('alter <name>'))
    .description('change settings, or add partitions (keys move to other partitions then)')
    .option('--partitions <count>', 'how many, more than now', parseCount)
    .option('--set <name=value>', 'a setting; may be repeated', collect, [])
    .addHelpText('after', SETTINGS_HELP)
    .action((name: string, options) => alterTopic(name, options, output))
  at(topic.command('delete <name>'))
    .description('delete a topic and all its records')
    .option('--yes', 'really')
    .action((name: string, options) => deleteTopic(name, options, output))
  at(millrace.command('produce <topic>'))
    .description('append one record for each line of standard input; the topic must exist')
    .option('--key-field <name>', 'take the key from this field of each JSON line')
    .addHelpText('after', PRODUCE_NOTE)
    .action((name: string, options) => produce(name, options, output))
  at(millrace.command('read <topic>'))
    .description('print the records of a topic as JSON lines')
    .option('--from <where>', 'earliest, latest, an offset, or a time as 2026-03-01T12:00:00Z', 'earliest')
    .option('--partition <number>', 'only this partition', parseIndex)
    .option('--limit <count>', 'stop after so many records', parseCount)
    .option(
      '--group <name>',
      'read as a member of a consumer group: from its positions, which move with what is printed',
    )
    .option('--follow', 'go on with what is appended later')
    .addHelpText('after', FOLLOW_NOTE)
    .action((name: string, options) => read(name, options, output))
}

const PRODUCE_NOTE = `
Each line is sent as soon as it comes, so that \`tail -f FILE | millrace produce TOPIC\` works; start the app first then,
since on a directory that no app runs on the lock is held until standard input ends.
`

const FOLLOW_NOTE = `
On a directory that no app runs on, --follow holds its lock until it is stopped: no app can start there, and nothing
can be produced. Start the app first; then it is asked, and nothing is held.
`

function groupCommands(millrace: Command, output: Output): void {
  formatted(millrace.command('groups'))
    .description('list consumer groups and applications with their lag')
    .action((options) => listGroups(options, output))
  const group = millrace.command('group').description('describe, reset or delete a consumer group')
  formatted(group.command('describe <name>'))
    .description('members with their partitions; positions with their lag')
    .action((name: string, options) => describeGroup(name, options, output))
  formatted(group.command('reset <name>'))
    .description('move the positions of a group that has no members')
    .requiredOption(
      '--to <where>',
      'earliest, latest, an offset, +N or -N records, or a time as 2026-03-01T12:00:00Z',
    )
    .option('--topic <name>', 'only this topic; it may be one that the group never read')
    .option('--partition <number>', 'only this partition of it', parseIndex)
    .action((name: string, options) => resetGroup(name, options, output))
  formatted(group.command('delete <name>'))
    .description('remove a group that has no members, with its positions')
    .action((name: string, options) => deleteGroup(name, options, output))
}

function viewCommands(millrace: Command, output: Output): void {
  formatted(millrace.command('views'))
    .description('list views with their rows')
    .action((options) => listViews(options, output))
  const view = millrace.command('view').description('read a view')
  formatted(view.command('get <name> <key...>'))
    .description('one row; several words are a tuple')
    .action((name: string, key: string[], options) => getRow(name, key, options, output))
  formatted(view.command('list <name>'))
    .option('--prefix <words...>', 'only keys that begin with these')
    .option('--limit <count>', 'at most so many rows', parseCount)
    .option('--reverse', 'from the greatest key down')
    .action((name: string, options) => listRows(name, options, output))
  at(view.command('watch <name>'))
    .description('print changes as they happen; the app must be running')
    .action((name: string, options) => watchView(name, options, output))
}

function collect(value: string, earlier: readonly string[]): string[] {
  return [...earlier, value]
}

function parsePort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new InvalidArgumentError('a port is a number from 0 to 65535.')
}

function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new InvalidArgumentError('it takes a whole number above 0.')
}

function parseIndex(text: string): number {
  const index = Number(text)
  if (Number.isSafeInteger(index) && index >= 0) return index
  throw new InvalidArgumentError('it takes a whole number from 0 on.')
}
