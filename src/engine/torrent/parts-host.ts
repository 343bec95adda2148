import type { PickerMediator } from '../picker/picking-peer.ts';
import type { DiskHealthEvents } from './disk-health.ts';
import type { LifecycleEvents } from './lifecycle.ts';
import type { PieceFlowEvents } from './piece-flow.ts';

/**
 * What the parts of a torrent tell it, and ask of it. The torrent itself is told: a closure for each would take a tenth of
 * an idle torrent's memory.
 */
export interface PartsHost extends LifecycleEvents, PickerMediator, PieceFlowEvents, DiskHealthEvents {}
