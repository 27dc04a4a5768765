// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The re-encryption proxies that patients can choose from
/// @notice A proxy is a party of kind Proxy in the identity registry, which also names its owner. Here it announces how it
/// is reached and the key that signs its receipts. Whether it may serve is decided by `isServing`: announced, and active in
/// the identity registry.
///
/// @dev WARNING: a patient protects itself by choosing proxies of different owners; the registry cannot know who owns the
/// owners. Fees come with a later version.
interface IProxyRegistry {
    /// @notice A proxy as it last announced itself; all zero if it never did.
    /// @param owner Party id of the owner, as in the identity registry at the time of the announcement.
    /// @param receiptKey 33 bytes, compressed secp256k1: verifies receipts of re-encryption and deletion.
    /// @param endpoint URL.
    /// @param announced False after `withdraw`.
    struct ProxyNode {
        bytes32 owner;
        bool announced;
        bytes receiptKey;
        string endpoint;
    }

    /// @notice A proxy has announced itself, or changed its key or endpoint; the last event of a proxy is what holds.
    /// @param receiptKey 33 bytes. Receipts of before verify under the key of before: keep the events.
    event ProxyAnnounced(bytes32 indexed proxy, bytes32 indexed owner, bytes receiptKey, string endpoint);
    /// @notice The proxy takes no more work until it announces itself again.
    event ProxyWithdrawn(bytes32 indexed proxy);

    /// @notice `caller` does not speak for the active proxy; to withdraw: is neither its controller nor the
    /// administrator.
    error NotController(bytes32 proxy, address caller);
    /// @notice The identity registry does not know the id as a proxy.
    error NotAProxy(bytes32 party);
    /// @notice A receipt key is 33 bytes, beginning with 2 or 3. Whether it is a point of the curve is the reader's
    /// check.
    error InvalidReceiptKey();
    /// @notice The endpoint is empty.
    error InvalidEndpoint();
    /// @notice There is nothing to withdraw.
    error NotAnnounced(bytes32 proxy);

    /// @notice Announces or updates a proxy. The proxy's controller only, while the proxy is active.
    function announce(bytes32 proxy, bytes calldata receiptKey, string calldata endpoint) external;

    /// @notice Takes a proxy out of service. Its controller or the administrator.
    function withdraw(bytes32 proxy) external;

    /// @notice What the proxy announced last, also after it withdrew. Unknown ids give zeroes and do not revert.
    function proxyNode(bytes32 proxy) external view returns (ProxyNode memory);

    /// @notice Whether work may be given to the proxy now: announced, and active in the identity registry.
    /// @dev WARNING: it does not say that the proxy answers, nor, once false, that the proxy has deleted what it was
    /// given: that takes its receipt.
    function isServing(bytes32 proxy) external view returns (bool);

    /// @notice The length of `list`. It never shrinks: proxies that withdrew are counted.
    /// @return How many proxies were ever announced.
    function count() external view returns (uint256);

    /// @notice Ids for paging, those of withdrawn proxies included: ask `isServing` for each. Empty beyond the end.
    /// @return proxies Ids of the proxies announced so far, from `start`, at most `limit`, in the order of announcement.
    function list(uint256 start, uint256 limit) external view returns (bytes32[] memory proxies);
}
