/** sluice.v1.Sessions (protos/sluice/v1/sessions.proto): nodes ask which session a number of the front's means. */
import protobuf from 'protobufjs';
import type { NodeId } from '../../pure/ledger/events.js';
import { type Method, unary } from '../../pure/rpc/rpc.js';
import { eachField, readerOf } from '../envoy-api/fields.js';
import type { Question } from './session-finder.js';

const maxQuestionBytes = 1024;

/** @param find resolves with the server's id; undefined where there is no session that may be meant */
export function sessionsMethod(
  find: (question: Question, node: NodeId) => Promise<number | undefined>,
): Method<Question> {
  const question = {
    path: '/sluice.v1.Sessions/FindSession',
    maxMessageBytes: maxQuestionBytes,
    decode: readQuestion,
  };
  return unary(question, (message, call) => {
    void find(message, call.caller.node).then((serverId) => call.reply(writeAnswer(serverId ?? 0)));
    return () => undefined;
  });
}

function readQuestion(bytes: Uint8Array): Question {
  const reader = readerOf(bytes);
  let connection = '';
  let frontId = 0;
  eachField(reader, reader.len, (field) => {
    if (field === 1) connection = reader.string();
    else if (field === 2) frontId = reader.uint32();
    else return false;
    return true;
  });
  return { connection, frontId };
}

function writeAnswer(serverId: number): Uint8Array {
  const writer = protobuf.Writer.create();
  if (serverId !== 0) writer.uint32(1 << 3).uint32(serverId);
  return writer.finish();
}
