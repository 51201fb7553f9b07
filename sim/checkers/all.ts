import { AcknowledgedIsReadable } from './acknowledged-is-readable.ts'
import type { Checker } from './checker.ts'
import { CompactionKeepsTheLastValue } from './compaction-keeps-the-last-value.ts'
import { EachRecordIsProcessedOnce } from './each-record-is-processed-once.ts'
import { LastStableOffsetNeverGoesBack } from './last-stable-offset-never-goes-back.ts'
import { NoDuplicateFromIdempotentProducer } from './no-duplicate-from-idempotent-producer.ts'
import { NoGap } from './no-gap.ts'
import { NothingAbortedIsRead } from './nothing-aborted-is-read.ts'
import { NothingIsSkipped } from './nothing-is-skipped.ts'
import { NothingPhantom } from './nothing-phantom.ts'
import { OneOwnerPerPartitionAndGeneration } from './one-owner-per-partition-and-generation.ts'
import { OnlyAnEndIsLost } from './only-an-end-is-lost.ts'
import { OnlyWhatIsDueIsDeleted } from './only-what-is-due-is-deleted.ts'
import { OrderIsKept } from './order-is-kept.ts'
import { PositionsNeverGoBack } from './positions-never-go-back.ts'
import { TopicsAreAsAcknowledged } from './topics-are-as-acknowledged.ts'
import { TransactionsAreAtomic } from './transactions-are-atomic.ts'
import { WhatWasReadStays } from './what-was-read-stays.ts'

/** Of one run. The first that finds something names the failure, so the particular ones come before the general. */
export function allCheckers(): readonly Checker[] {
  return [
    new TopicsAreAsAcknowledged(),
    new NoDuplicateFromIdempotentProducer(),
    new OrderIsKept(),
    new NoGap(),
    new NothingAbortedIsRead(),
    new TransactionsAreAtomic(),
    new NothingPhantom(),
    new OnlyWhatIsDueIsDeleted(),
    new CompactionKeepsTheLastValue(),
    new LastStableOffsetNeverGoesBack(),
    new OnlyAnEndIsLost(),
    new AcknowledgedIsReadable(),
    new WhatWasReadStays(),
    new PositionsNeverGoBack(),
    new NothingIsSkipped(),
    new EachRecordIsProcessedOnce(),
    new OneOwnerPerPartitionAndGeneration(),
  ]
}
