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

    event ProxyAnnounced(bytes32 indexed proxy, bytes32 indexed owner, bytes receiptKey, string endpoint);
    event ProxyWithdrawn(bytes32 indexed proxy);

    error NotController(bytes32 proxy, address caller);
    error NotAProxy(bytes32 party);
    error InvalidReceiptKey();
    error InvalidEndpoint();
    error NotAnnounced(bytes32 proxy);

    /// @notice Announces or updates a proxy. The proxy's controller only, while the proxy is active.
    function announce(bytes32 proxy, bytes calldata receiptKey, string calldata endpoint) external;

    /// @notice Takes a proxy out of service. Its controller or the administrator.
    function withdraw(bytes32 proxy) external;

    function proxyNode(bytes32 proxy) external view returns (ProxyNode memory);

    function isServing(bytes32 proxy) external view returns (bool);

    /// @return How many proxies were ever announced.
    function count() external view returns (uint256);

    /// @return proxies Ids of the proxies announced so far, from `start`, at most `limit`, in the order of announcement.
    function list(uint256 start, uint256 limit) external view returns (bytes32[] memory proxies);
}
