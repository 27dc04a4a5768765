// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Hashes of records, in batches
/// @notice An entity anchors the root of an RFC 9162 tree (SHA-256; 0x00 before a leaf, 0x01 before a node) over the leaves
/// H(salt, cid, record, version, author) of a batch, with the digest of the batch's manifest block on IPFS.
///
/// Anchors of an entity are numbered without gaps, and each one extends a chained digest, the entity's head. So a batch with
/// its number lands at most once, however often it is sent; a missing event shows; and any past anchor can be proven to
/// another contract from the events that followed it. One storage word per entity, whatever the number of anchors.
///
/// @dev WARNING: `anchor` proves that the entity committed to the root by that block, not that the records are true or
/// stored. WARNING: choose the number with the batch and keep both before sending.
interface IRecordAnchors {
    /// @notice What one event `RecordsAnchored` says.
    /// @param root Tree root.
    /// @param manifest SHA-256 digest of the manifest block (CIDv1 raw).
    /// @param count Leaves.
    struct Anchor {
        bytes32 root;
        bytes32 manifest;
        uint32 count;
    }

    /// @notice The number of the anchor is its place among the entity's events: the first is 0, and there are no gaps.
    event RecordsAnchored(bytes32 indexed entity, bytes32 indexed root, bytes32 manifest, uint32 count);

    /// @notice `caller` does not operate the entity, or the entity is not active.
    error NotOperator(bytes32 entity, address caller);
    /// @notice This number has been used: the batch is already anchored, or another one took its place. Nothing changed.
    error AlreadyAnchored(bytes32 entity, uint40 sequence, uint40 next);
    /// @notice An earlier batch is missing.
    error OutOfSequence(bytes32 entity, uint40 sequence, uint40 next);
    /// @notice A batch has at least one leaf.
    error EmptyBatch();

    /// @notice Anchors a batch under the entity's next number. An operator of the active entity only.
    /// @param sequence The number of the batch, from 0, equal to `nextSequence`.
    function anchor(bytes32 entity, uint40 sequence, bytes32 root, bytes32 manifest, uint32 count) external;

    /// @notice The number that the entity's next anchor must carry. It is also how many anchors the entity has made.
    /// @return The number of the entity's next anchor.
    function nextSequence(bytes32 entity) external view returns (uint40);

    /// @notice What all anchors of the entity chain to; zero before the first.
    /// @return The chained digest of all anchors: the first 216 bits of
    /// keccak256(abi.encode(previous head, root, manifest, count)), beginning with zero, left-aligned.
    function headOf(bytes32 entity) external view returns (bytes27);

    /// @notice Whether a leaf is in a tree (RFC 9162, 2.1.3.2).
    function verifyLeaf(bytes32 root, uint32 count, bytes32 leafHash, uint32 index, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice Whether `anchors[0]` was anchored by the entity: the head before it and all anchors up to now must chain to
    /// the present head.
    function verifyAnchor(bytes32 entity, bytes27 headBefore, Anchor[] calldata anchors) external view returns (bool);

    /// @notice The leaf hash of a record: sha256(0x00 || leaf data).
    function leafHashOf(bytes calldata leaf) external pure returns (bytes32);
}
