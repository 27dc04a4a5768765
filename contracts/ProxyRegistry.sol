// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IdentityClient} from "./base/IdentityClient.sol";
import {IIdentityRegistry} from "./interfaces/IIdentityRegistry.sol";
import {IProxyRegistry} from "./interfaces/IProxyRegistry.sol";
import {EncryptionKeys} from "./libraries/EncryptionKeys.sol";

/// @notice See {IProxyRegistry}, which is the specification.
contract ProxyRegistry is IProxyRegistry, IdentityClient {
    mapping(bytes32 proxy => ProxyNode) private _nodes;
    bytes32[] private _proxies;

    constructor(IIdentityRegistry identity) IdentityClient(identity) {}

    /// @inheritdoc IProxyRegistry
    function announce(bytes32 proxy, bytes calldata receiptKey, string calldata endpoint) external whileInForce {
        IIdentityRegistry.Party memory party = IDENTITY.party(proxy);
        if (party.kind != IIdentityRegistry.Kind.Proxy) revert NotAProxy(proxy);
        if (!IDENTITY.speaksFor(proxy, msg.sender)) revert NotController(proxy, msg.sender);
        if (!EncryptionKeys.isWellFormed(receiptKey)) revert InvalidReceiptKey();
        if (bytes(endpoint).length == 0) revert InvalidEndpoint();
        ProxyNode storage node = _nodes[proxy];
        if (node.receiptKey.length == 0) _proxies.push(proxy);
        node.owner = party.parent;
        node.announced = true;
        node.receiptKey = receiptKey;
        node.endpoint = endpoint;
        emit ProxyAnnounced(proxy, party.parent, receiptKey, endpoint);
    }

    /// @inheritdoc IProxyRegistry
    function withdraw(bytes32 proxy) external {
        if (msg.sender != IDENTITY.controllerOf(proxy) && msg.sender != _administrator()) {
            revert NotController(proxy, msg.sender);
        }
        ProxyNode storage node = _nodes[proxy];
        if (!node.announced) revert NotAnnounced(proxy);
        node.announced = false;
        emit ProxyWithdrawn(proxy);
    }

    /// @inheritdoc IProxyRegistry
    function proxyNode(bytes32 proxy) external view returns (ProxyNode memory) {
        return _nodes[proxy];
    }

    /// @inheritdoc IProxyRegistry
    function isServing(bytes32 proxy) external view returns (bool) {
        return _nodes[proxy].announced && IDENTITY.isActive(proxy);
    }

    /// @inheritdoc IProxyRegistry
    function count() external view returns (uint256) {
        return _proxies.length;
    }

    /// @inheritdoc IProxyRegistry
    function list(uint256 start, uint256 limit) external view returns (bytes32[] memory proxies) {
        uint256 end = _proxies.length;
        if (start >= end) return proxies;
        if (end - start > limit) end = start + limit;
        proxies = new bytes32[](end - start);
        for (uint256 i = start; i < end; ++i) {
            proxies[i - start] = _proxies[i];
        }
    }
}
