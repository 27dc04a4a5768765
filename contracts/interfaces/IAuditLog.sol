// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Heads of audit logs that can only grow
/// @notice Each entity publishes (size, root) of its RFC 9162 tree over audit events. The contract itself checks that a
/// head extends the one before, so a log that was cut, reordered or rewritten cannot be published.
///
/// @dev WARNING: a head says nothing about events that were never logged: reconcile with the receipts of the proxies.
/// WARNING: a head that is not published is not anchored; compare its time with the events it covers.
interface IAuditLog {
    /// @notice The entity's log has grown. A resend of the present head emits nothing.
    /// @param size Number of leaves, greater than in the entity's event before.
    /// @param root RFC 9162 root over these leaves. It reveals no event, but how many there are and when.
    event AuditHeadPublished(bytes32 indexed entity, uint64 size, bytes32 root);

    /// @notice `caller` does not operate the entity, or the entity is not active.
    error NotOperator(bytes32 entity, address caller);
    /// @notice The tree would shrink, or have another root at the same size.
    error NotAnExtension(bytes32 entity, uint64 size, uint64 published);
    /// @notice The proof does not lead from the published root to the new one.
    error InconsistentHead(bytes32 entity);
    /// @notice A head has at least one leaf.
    error EmptyLog();

    /// @notice Publishes a head. An operator of the active entity only. The first head needs no proof. Publishing the present
    /// head again changes nothing and emits nothing, so a resend is harmless.
    /// @param consistencyProof RFC 9162, 2.1.4.1, from the published size to `size`.
    function publish(bytes32 entity, uint64 size, bytes32 root, bytes32[] calldata consistencyProof) external;

    /// @notice The head that the entity published last.
    /// @return size Number of leaves, zero if nothing is published.
    /// @return root Root at that size.
    /// @return publishedAt Unix seconds of the block that published it.
    function headOf(bytes32 entity) external view returns (uint64 size, bytes32 root, uint40 publishedAt);

    /// @notice Whether a leaf is in the entity's published head (RFC 9162, 2.1.3.2).
    function verifyInclusion(bytes32 entity, bytes32 leafHash, uint64 index, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice Whether the second head extends the first (RFC 9162, 2.1.4.2).
    function verifyConsistency(
        uint64 firstSize,
        bytes32 firstRoot,
        uint64 secondSize,
        bytes32 secondRoot,
        bytes32[] calldata proof
    ) external view returns (bool);
}
