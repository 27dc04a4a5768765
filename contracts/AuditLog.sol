// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "./base/IdentityClient.sol";
import {IAuditLog} from "./interfaces/IAuditLog.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";

/// @notice See {IAuditLog}, which is the specification.
contract AuditLog is IAuditLog, IdentityClient {
    struct Head {
        bytes32 root;
        uint64 size;
        uint40 publishedAt;
    }

    mapping(bytes32 entity => Head) private _heads;

    constructor(IIdentityRegistry identity) IdentityClient(identity) {}

    /// @inheritdoc IAuditLog
    /// @dev Not stopped by retirement: the log of what happened goes on until its entity has moved.
    function publish(bytes32 entity, uint64 size, bytes32 root, bytes32[] calldata consistencyProof) external {
        if (!_senderOperates(entity)) revert NotOperator(entity, msg.sender);
        if (size == 0) revert EmptyLog();
        Head storage head = _heads[entity];
        uint64 published = head.size;
        if (size <= published) {
            if (size == published && root == head.root) return;
            revert NotAnExtension(entity, size, published);
        }
        if (!Rfc9162.extends(published, head.root, size, root, consistencyProof)) revert InconsistentHead(entity);
        head.root = root;
        head.size = size;
        head.publishedAt = uint40(block.timestamp);
        emit AuditHeadPublished(entity, size, root);
    }

    /// @inheritdoc IAuditLog
    function headOf(bytes32 entity) external view returns (uint64 size, bytes32 root, uint40 publishedAt) {
        Head storage head = _heads[entity];
        return (head.size, head.root, head.publishedAt);
    }

    /// @inheritdoc IAuditLog
    function verifyInclusion(bytes32 entity, bytes32 leafHash, uint64 index, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        Head storage head = _heads[entity];
        return Rfc9162.includes(head.root, head.size, leafHash, index, proof);
    }

    /// @inheritdoc IAuditLog
    function verifyConsistency(
        uint64 firstSize,
        bytes32 firstRoot,
        uint64 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) external view returns (bool) {
        return Rfc9162.extends(firstSize, firstRoot, secondSize, secondRoot, proof);
    }
}
