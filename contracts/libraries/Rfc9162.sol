// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Merkle trees of RFC 9162, section 2.1 (SHA-256)
/// @notice Verification only; the names are those of the RFC. https://www.rfc-editor.org/rfc/rfc9162#section-2.1
library Rfc9162 {
    /// @dev The leaf hash, SHA-256(0x00 || leaf).
    function leafHash(bytes calldata leaf) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x00), leaf));
    }

    /// @dev 2.1.3.2: whether `hash` is leaf `index` of the tree of `size` leaves with root `root`.
    function includes(bytes32 root, uint256 size, bytes32 hash, uint256 index, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;
        uint256 fn = index;
        uint256 sn = size - 1;
        bytes32 r = hash;
        for (uint256 i = 0; i < path.length; ++i) {
            if (sn == 0) return false;
            if (fn & 1 == 1 || fn == sn) {
                r = _node(path[i], r);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                r = _node(r, path[i]);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && r == root;
    }

    /// @dev 2.1.4.2: whether the tree (`second`, `secondRoot`) extends the tree (`first`, `firstRoot`).
    function extends(uint256 first, bytes32 firstRoot, uint256 second, bytes32 secondRoot, bytes32[] calldata path)
        internal
        view
        returns (bool)
    {
        if (first > second) return false;
        if (first == second) return path.length == 0 && firstRoot == secondRoot;
        if (first == 0) return path.length == 0; // every tree extends the empty one
        uint256 fn = first - 1;
        uint256 sn = second - 1;
        while (fn & 1 == 1) {
            fn >>= 1;
            sn >>= 1;
        }
        // A complete first tree (fn is zero exactly when its size is a power of two) is itself the first node.
        uint256 i = fn == 0 ? 0 : 1;
        if (path.length < i) return false;
        bytes32 fr = i == 0 ? firstRoot : path[0];
        bytes32 sr = fr;
        for (; i < path.length; ++i) {
            if (sn == 0) return false;
            bytes32 c = path[i];
            if (fn & 1 == 1 || fn == sn) {
                fr = _node(c, fr);
                sr = _node(c, sr);
                while (fn & 1 == 0 && fn != 0) {
                    fn >>= 1;
                    sn >>= 1;
                }
            } else {
                sr = _node(sr, c);
            }
            fn >>= 1;
            sn >>= 1;
        }
        return sn == 0 && fr == firstRoot && sr == secondRoot;
    }

    /// @dev SHA-256(0x01 || left || right), in the free memory, which is left free.
    function _node(bytes32 left, bytes32 right) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let p := mload(0x40)
            mstore8(p, 1)
            mstore(add(p, 0x01), left)
            mstore(add(p, 0x21), right)
            // The precompile fails only for want of gas.
            if iszero(staticcall(gas(), 2, p, 0x41, 0x00, 0x20)) { revert(0, 0) }
            hash := mload(0x00)
        }
    }
}
