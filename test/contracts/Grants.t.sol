// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../contracts/interfaces/IConsentRegistry.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {Consortium} from "./support/Consortium.sol";

/// @notice Granting: who may, what is refused, what is written, and that nothing else changes.
contract GrantsTest is Consortium {
    function test_thePatientGrants() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.labels = two(GENERAL, HIV);
        consent.actions = CAN_READ | CAN_UPDATE;
        consent.policyHash = keccak256("policy");
        uint256 word = uint256(NOW) | (uint256(OPEN_END) << 40) | (uint256(TREAT) << 80)
            | (uint256(EVERY_CATEGORY) << 112) | (uint256(1) << 208) | (uint256(NOW) << 224);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(consents));
            emit IConsentRegistry.ConsentGranted(
                ALICE, B, consent.labels[i], consent.actions, word, consent.packageHash
            );
            vm.expectEmit(address(consents));
            emit IConsentRegistry.PolicyPinned(ALICE, B, consent.labels[i], consent.actions, consent.policyHash);
        }
        vm.prank(alice);
        consents.grant(consent);
        for (uint256 i = 0; i < 2; ++i) {
            assertTrue(consents.check(ALICE, B, consent.labels[i], READ, TREAT, 1), "read");
            assertTrue(consents.check(ALICE, B, consent.labels[i], UPDATE, TREAT, 1), "update");
            assertFalse(consents.check(ALICE, B, consent.labels[i], CREATE, TREAT, 1), "create was not granted");
            assertEq(consents.policyOf(ALICE, B, consent.labels[i], READ), consent.policyHash, "policy");
        }
        assertFalse(consents.check(ALICE, B, ALL_LABELS, READ, TREAT, 1), "all labels is a label of its own");
        assertFalse(mayRead(ALICE, A), "another grantee");
        assertFalse(mayRead(CAROL, B), "another patient");
    }

    function test_onlyThePatientGrants() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        address[5] memory others = [a, b, admin, doctor, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, ALICE, others[i]));
            consents.grant(consent);
        }
    }

    function test_inCustodyTheCustodianGrantsAndItShows() public {
        IConsentRegistry.Grant memory consent = grantOf(CAROL, B);
        vm.prank(b);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, CAROL, b));
        consents.grant(consent);
        vm.prank(a);
        consents.grant(consent);
        assertTrue(mayRead(CAROL, B), "granted");
        assertEq(consents.consentOf(CAROL, B, GENERAL, READ).flags, 4, "in custody");
        vm.warp(NOW + 1);
        consent = grantOf(CAROL, DOCTOR);
        consents.grantSigned(consent, signed(consent, A_KEY));
        assertTrue(mayRead(CAROL, DOCTOR), "signed by the custodian");
        vm.prank(admin);
        identity.setStatus(A, IIdentityRegistry.Status.Suspended);
        consent = grantOf(CAROL, A);
        bytes memory by = signed(consent, A_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, CAROL));
        consents.grantSigned(consent, by);
    }

    function test_onlyPatientsGrant() public {
        IConsentRegistry.Grant memory consent = grantOf(A, B);
        vm.prank(a);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.NotAuthorised.selector, A, a));
        consents.grant(consent);
        bytes memory by = signed(consent, A_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, A));
        consents.grantSigned(consent, by);
        consent = grantOf(keccak256("unknown"), B);
        by = signed(consent, STRANGER_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidSignature.selector, consent.patient));
        consents.grantSigned(consent, by);
    }

    function test_malformedGrantsAreRefused() public {
        vm.startPrank(alice);
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.to = consent.from;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidPeriod.selector, NOW, NOW));
        consents.grant(consent);
        (consent.from, consent.to) = (NOW - 10, NOW);
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidPeriod.selector, NOW - 10, NOW));
        consents.grant(consent);
        consent = grantOf(ALICE, B);
        consent.purposes = 0;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidPurposes.selector, 0));
        consents.grant(consent);
        consent.purposes = TREAT | BREAK_GLASS;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidPurposes.selector, TREAT | BREAK_GLASS));
        consents.grant(consent);
        consent = grantOf(ALICE, B);
        consent.categories = 0;
        vm.expectRevert(IConsentRegistry.InvalidCategories.selector);
        consents.grant(consent);
        consent = grantOf(ALICE, B);
        consent.actions = 0;
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 0));
        consents.grant(consent);
        consent.actions = 1 << 6; // the emergency word is not for granting
        vm.expectRevert(abi.encodeWithSelector(IConsentRegistry.InvalidActions.selector, 1 << 6));
        consents.grant(consent);
        consent = grantOf(ALICE, B);
        consent.labels = new bytes32[](0);
        vm.expectRevert(IConsentRegistry.InvalidLabels.selector);
        consents.grant(consent);
        consent.labels = new bytes32[](65);
        vm.expectRevert(IConsentRegistry.InvalidLabels.selector);
        consents.grant(consent);
        vm.stopPrank();
    }

    function test_aGrantReplacesItsOwnWordAndNarrowsToo() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.purposes = TREAT | RESEARCH;
        vm.prank(alice);
        consents.grant(consent);
        consent = grantOf(ALICE, B);
        consent.to = NOW + 100;
        vm.prank(alice);
        consents.grant(consent);
        assertTrue(mayRead(ALICE, B), "still");
        assertFalse(consents.check(ALICE, B, GENERAL, READ, RESEARCH, 1), "not the union");
        vm.warp(NOW + 100);
        assertFalse(mayRead(ALICE, B), "expired without any action");
    }

    /// @dev After the last serial there is none: the word can be revoked, and then granted anew.
    function test_theLastSerial() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        consent.nonce = consent.nonce >> 32 << 32 | (type(uint32).max - 1);
        consents.grantSigned(consent, signed(consent, ALICE_KEY));
        vm.startPrank(alice);
        consents.grant(consent);
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).serial, type(uint32).max, "the last");
        vm.expectRevert(
            abi.encodeWithSelector(IConsentRegistry.InvalidNonce.selector, ALICE, 0, uint64(type(uint32).max))
        );
        consents.grant(consent);
        consents.revoke(ALICE, B, one(GENERAL), CAN_READ);
        consents.grant(consent);
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).serial, NOW, "in the order of time again");
        vm.stopPrank();
    }

    /// @dev Of all words of a grant that is sent, the highest serial counts.
    function test_aGrantThatIsSentComesAfterAllItsWords() public {
        IConsentRegistry.Grant memory consent = grantOf(ALICE, B);
        (consent.labels, consent.actions) = (one(HIV), CAN_UPDATE);
        consent.nonce += 100;
        consents.grantSigned(consent, signed(consent, ALICE_KEY));
        consent = grantOf(ALICE, B);
        (consent.labels, consent.actions) = (two(HIV, GENERAL), CAN_READ | CAN_UPDATE | 8);
        vm.prank(alice);
        consents.grant(consent);
        assertEq(consents.consentOf(ALICE, B, HIV, UPDATE).serial, NOW + 101, "after the highest");
        assertEq(consents.consentOf(ALICE, B, GENERAL, READ).serial, NOW + 101, "all of them");
    }

    /// @dev A grant of one key leaves the words of every other key as they are.
    function testFuzz_aGrantNeverWidensAnother(uint8 actions, bool otherLabel, bool otherGrantee, uint32 purposes)
        public
    {
        IConsentRegistry.Grant memory narrow = grantOf(ALICE, B);
        narrow.to = NOW + 100;
        vm.prank(alice);
        consents.grant(narrow);
        bytes32 before = vm.load(address(consents), consents.slotOf(ALICE, B, GENERAL, READ));

        IConsentRegistry.Grant memory wide = grantOf(ALICE, otherGrantee ? DOCTOR : B);
        wide.labels = one(otherLabel ? ALL_LABELS : GENERAL);
        wide.actions = uint8(bound(actions, 1, 63));
        if (!otherLabel && !otherGrantee) wide.actions &= ~CAN_READ;
        vm.assume(wide.actions != 0);
        wide.purposes = purposes & ~BREAK_GLASS | TREAT;
        vm.prank(alice);
        consents.grant(wide);
        assertEq(vm.load(address(consents), consents.slotOf(ALICE, B, GENERAL, READ)), before, "untouched");
    }
}
