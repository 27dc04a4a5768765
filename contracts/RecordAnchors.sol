// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "./base/IdentityClient.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {IRecordAnchors} from "./interfaces/IRecordAnchors.sol";
import {Rfc9162} from "./libraries/Rfc9162.sol";

/// @notice See {IRecordAnchors}, which is the specification.
contract RecordAnchors is IRecordAnchors, IdentityClient {
    /// @dev Per entity: number of the next anchor (40 bits, lowest) and the head (216 bits).
    mapping(bytes32 entity => uint256) private _heads;

    constructor(IIdentityRegistry identity) IdentityClient(identity) {}

    /// @inheritdoc IRecordAnchors
    /// @dev Not stopped by retirement: a batch in the outbox must not be caught between two versions. The successor is
    /// public, and the entity moves between batches.
    function anchor(
        bytes32 entity,
        uint40 sequence,
        bytes32 root,
        bytes32,
        /* manifest */
        uint32 count
    )
        external
    {
        if (!_senderOperates(entity)) revert NotOperator(entity, msg.sender);
        if (count == 0) revert EmptyBatch();
        bytes32 location;
        uint256 word;
        assembly ("memory-safe") {
            mstore(0x00, entity)
            mstore(0x20, _heads.slot)
            location := keccak256(0x00, 0x40)
            word := sload(location)
        }
        if (sequence != uint40(word)) {
            if (sequence < uint40(word)) revert AlreadyAnchored(entity, sequence, uint40(word));
            revert OutOfSequence(entity, sequence, uint40(word));
        }
        bytes32 anchored = RecordsAnchored.selector;
        assembly ("memory-safe") {
            // As `_chain`: the head, and from the calldata root, manifest and count.
            let p := mload(0x40)
            mstore(p, and(word, not(0xffffffffff)))
            calldatacopy(add(p, 0x20), 0x44, 0x60)
            let head := and(keccak256(p, 0x80), not(0xffffffffff))
            sstore(location, or(head, add(sequence, 1)))
            log3(add(p, 0x40), 0x40, anchored, entity, root)
        }
    }

    /// @inheritdoc IRecordAnchors
    function nextSequence(bytes32 entity) external view returns (uint40) {
        return uint40(_heads[entity]);
    }

    /// @inheritdoc IRecordAnchors
    function headOf(bytes32 entity) public view returns (bytes27) {
        return bytes27(bytes32(_heads[entity]));
    }

    /// @inheritdoc IRecordAnchors
    function verifyLeaf(bytes32 root, uint32 count, bytes32 leafHash, uint32 index, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return Rfc9162.includes(root, count, leafHash, index, proof);
    }

    /// @inheritdoc IRecordAnchors
    function verifyAnchor(bytes32 entity, bytes27 headBefore, Anchor[] calldata anchors) external view returns (bool) {
        bytes27 head = headBefore;
        for (uint256 i = 0; i < anchors.length; ++i) {
            head = _chain(head, anchors[i].root, anchors[i].manifest, anchors[i].count);
        }
        return anchors.length != 0 && head == headOf(entity);
    }

    /// @inheritdoc IRecordAnchors
    function leafHashOf(bytes calldata leaf) external pure returns (bytes32) {
        return Rfc9162.leafHash(leaf);
    }

    function _chain(bytes27 head, bytes32 root, bytes32 manifest, uint32 count) private pure returns (bytes27) {
        return bytes27(keccak256(abi.encode(head, root, manifest, count)));
    }
}
