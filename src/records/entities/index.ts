import { AuditHeadEntity, AuditNodeEntity } from './audit-log.js'
import { ConsentLinkEntity } from './consent-link.js'
import {
  CapsuleKeyEntity,
  FeedEntity,
  FeedItemEntity,
  ForeignBlockEntity,
  ForeignPatientEntity,
  PatientLinkEntity,
  ProxyReceiptEntity,
  SharedPolicyEntity,
} from './exchange.js'
import { ClaimEntity, OrderedEntity, ReferenceEntity, TokenNameEntity } from './index-rows.js'
import { IndexStateEntity, IndexWaitingEntity } from './index-state.js'
import {
  ChainBlockEntity,
  ChainCursorEntity,
  GrantEntity,
  LedgerEventEntity,
  PartyEntity,
  PatientEpochEntity,
  PolicyDocumentEntity,
  PolicyRuleEntity,
} from './ledger.js'
import { AnchoredEntity, AnchorEntity, AuditLeafEntity, OutboxEntity, UnanchoredEntity } from './logs.js'
import { NoticeEntity } from './notice.js'
import { ResourceEntity, ResourceVersionEntity } from './resource.js'

/** Every table. A test holds them equal to what the migrations make. */
export const ENTITIES = [
  ResourceEntity,
  ResourceVersionEntity,
  ReferenceEntity,
  OrderedEntity,
  TokenNameEntity,
  ClaimEntity,
  AuditLeafEntity,
  AuditNodeEntity,
  AuditHeadEntity,
  AnchorEntity,
  AnchoredEntity,
  UnanchoredEntity,
  OutboxEntity,
  LedgerEventEntity,
  GrantEntity,
  PolicyDocumentEntity,
  PolicyRuleEntity,
  PartyEntity,
  PatientEpochEntity,
  ChainCursorEntity,
  ChainBlockEntity,
  PatientLinkEntity,
  CapsuleKeyEntity,
  FeedEntity,
  FeedItemEntity,
  ForeignBlockEntity,
  ForeignPatientEntity,
  ProxyReceiptEntity,
  SharedPolicyEntity,
  ConsentLinkEntity,
  NoticeEntity,
  IndexStateEntity,
  IndexWaitingEntity,
]
