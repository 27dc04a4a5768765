// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice RFC 9162, section 2.1, by its recursive definitions: slow, and readable beside the text of the RFC.
library MerkleTree {
    function leaf(bytes memory data) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), data));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }

    /// @dev MTH(D[from:to]) over leaf hashes (2.1.1).
    function root(bytes32[] memory d, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return d[from];
        uint256 k = split(to - from);
        return node(root(d, from, from + k), root(d, from + k, to));
    }

    /// @dev PATH(m, D[from:to]) (2.1.3.1).
    function inclusion(uint256 m, bytes32[] memory d, uint256 from, uint256 to)
        internal
        pure
        returns (bytes32[] memory)
    {
        uint256 n = to - from;
        if (n == 1) return new bytes32[](0);
        uint256 k = split(n);
        return m < k
            ? append(inclusion(m, d, from, from + k), root(d, from + k, to))
            : append(inclusion(m - k, d, from + k, to), root(d, from, from + k));
    }

    /// @dev PROOF(m, D[0:n]) (2.1.4.1).
    function consistency(uint256 m, bytes32[] memory d, uint256 n) internal pure returns (bytes32[] memory) {
        return subproof(m, d, 0, n, true);
    }

    /// @dev SUBPROOF(m, D[from:to], complete).
    function subproof(uint256 m, bytes32[] memory d, uint256 from, uint256 to, bool complete)
        private
        pure
        returns (bytes32[] memory)
    {
        uint256 n = to - from;
        if (m == n) return complete ? new bytes32[](0) : append(new bytes32[](0), root(d, from, to));
        uint256 k = split(n);
        return m <= k
            ? append(subproof(m, d, from, from + k, complete), root(d, from + k, to))
            : append(subproof(m - k, d, from + k, to, false), root(d, from, from + k));
    }

    /// @dev The largest power of two smaller than n.
    function split(uint256 n) private pure returns (uint256 k) {
        for (k = 1; k * 2 < n; k *= 2) {}
    }

    function append(bytes32[] memory path, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            longer[i] = path[i];
        }
        longer[path.length] = last;
    }
}
